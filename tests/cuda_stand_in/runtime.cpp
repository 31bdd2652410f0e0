/* Memory, streams and events of the stand-in: see cuda_runtime.h. */
#include "cuda_runtime.h"

#include <sys/mman.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

/* ---- Memory ---- */

static std::map<char *, size_t> device_memory, pinned_memory; /* start to bytes */
static size_t device_used;

static size_t number_of(const char *name, size_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? (size_t)strtoull(text, nullptr, 10) : otherwise;
}

static size_t device_total(void) { return number_of("STAND_IN_MEMORY", (size_t)8 << 30); }

static size_t pages(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* Whether one allocation holds [at, at + bytes). */
static bool lies_in(const std::map<char *, size_t> &memory, const void *at, size_t bytes) {
    auto after = memory.upper_bound((char *)const_cast<void *>(at));
    if (after == memory.begin()) return false;
    --after;
    return (const char *)at + bytes <= after->first + after->second;
}

/* Outside queued work, device memory faults. */
static void protect(bool readable) {
    int access = readable ? PROT_READ | PROT_WRITE : PROT_NONE;
    for (auto found = device_memory.begin(); found != device_memory.end();) {
        char *start = found->first, *end = start;
        for (; found != device_memory.end() && found->first == end; ++found)
            end += pages(found->second); /* neighbours at once: calls cost the most */
        mprotect(start, (size_t)(end - start), access);
    }
}

cudaError_t cudaMalloc(void **memory, size_t bytes) {
    *memory = nullptr;
    if (bytes > device_total() - device_used) return cudaErrorMemoryAllocation;
    void *at = mmap(nullptr, pages(bytes), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return cudaErrorMemoryAllocation;
    /* Its start and end alone, as large scratch is mostly unused. */
    const size_t most = (size_t)1 << 18;
    size_t marked = pages(bytes) < most ? pages(bytes) : most;
    memset(at, 0xff, marked);
    memset((char *)at + pages(bytes) - marked, 0xff, marked);
    mprotect(at, pages(bytes), PROT_NONE);
    device_memory[(char *)at] = bytes;
    device_used += bytes;
    *memory = at;
    return cudaSuccess;
}

static void run_all_streams(void);

cudaError_t cudaFree(void *memory) {
    if (!memory) return cudaSuccess;
    run_all_streams(); /* as CUDA's waits for the device */
    auto found = device_memory.find((char *)memory);
    if (found == device_memory.end()) return cudaErrorInvalidValue;
    munmap(memory, pages(found->second));
    device_used -= found->second;
    device_memory.erase(found);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **memory, size_t bytes) {
    *memory = malloc(bytes);
    if (!*memory) return cudaErrorMemoryAllocation;
    pinned_memory[(char *)*memory] = bytes;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *memory) {
    run_all_streams();
    pinned_memory.erase((char *)memory);
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
    *total = device_total();
    *available = *total - device_used;
    return cudaSuccess;
}

/* ---- Streams: what is queued runs when somebody waits for it ---- */

static thread_local int current_device;

struct stand_in_stream {
    std::deque<std::function<void()>> work;
    bool running = false;
    int device = current_device;
};

/* Recorded marks that were not reached yet. */
struct stand_in_event {
    cudaStream_t stream = nullptr;
    long recorded = 0, reached = 0;
};

/* Until an event's mark is reached, or all work is done. */
static void run(cudaStream_t stream, const stand_in_event *until, long mark) {
    if (until && until->reached >= mark) return;
    if (stream->running) abort(); /* a stream that waits for itself */
    stream->running = true;
    while (!stream->work.empty() && !(until && until->reached >= mark)) {
        std::function<void()> work = std::move(stream->work.front());
        stream->work.pop_front();
        work();
    }
    stream->running = false;
}

static void wait_for(cudaStream_t stream, const stand_in_event *until) {
    if (stream->work.empty()) return;
    protect(true);
    run(stream, until, until ? until->recorded : 0);
    protect(false);
}

static std::set<cudaStream_t> streams;

static void run_all_streams(void) {
    for (cudaStream_t stream : streams)
        if (!stream->running) wait_for(stream, nullptr);
}

static void queue(cudaStream_t stream, std::function<void()> work) {
    stream->work.push_back(std::move(work));
}

/* Copies and events go to a stream of any device, kernels to one of the thread's own. */
void stand_in_queue(cudaStream_t stream, std::function<void()> work) {
    if (stream->device != current_device) abort();
    queue(stream, std::move(work));
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
    (void)flags;
    *stream = new stand_in_stream();
    streams.insert(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    wait_for(stream, nullptr);
    streams.erase(stream);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    wait_for(stream, nullptr);
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    (void)flags;
    *event = new stand_in_event();
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    long mark = ++event->recorded;
    event->stream = stream;
    queue(stream, [event, mark] { event->reached = mark; });
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (event->reached < event->recorded) wait_for(event->stream, event);
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
    (void)flags;
    long mark = event->recorded;
    cudaStream_t other = event->stream;
    if (event->reached < mark) queue(stream, [event, mark, other] { run(other, event, mark); });
    return cudaSuccess;
}

/* A copy to the device reads pinned memory when it runs, other host memory at once. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    bool to_device = kind != cudaMemcpyDeviceToHost;
    bool from_device = kind != cudaMemcpyHostToDevice;
    if (lies_in(device_memory, to, bytes) != to_device ||
        lies_in(device_memory, from, bytes) != from_device)
        return bytes ? cudaErrorInvalidValue : cudaSuccess;
    if (!from_device && !lies_in(pinned_memory, from, bytes)) {
        std::string copy((const char *)from, bytes);
        queue(stream, [to, copy] { memcpy(to, copy.data(), copy.size()); });
    } else {
        queue(stream, [to, from, bytes] { memcpy(to, from, bytes); });
    }
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream) {
    if (bytes && !lies_in(device_memory, memory, bytes)) return cudaErrorInvalidValue;
    queue(stream, [memory, value, bytes] { memset(memory, value, bytes); });
    return cudaSuccess;
}

stand_in_range stand_in_items = {0, LLONG_MAX};

/* ---- The device ---- */

const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    default: return "no CUDA-capable device is detected";
    }
}

cudaError_t cudaGetLastError(void) { return cudaSuccess; }

static int device_count(void) { return (int)number_of("STAND_IN_DEVICES", 1); }

cudaError_t cudaGetDeviceCount(int *count) {
    *count = device_count();
    return *count ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
    if (device < 0 || device >= device_count()) return cudaErrorInvalidValue;
    *properties = cudaDeviceProp();
    snprintf(properties->name, sizeof properties->name, "stand-in on the host");
    properties->uuid.bytes[15] = (char)(device + 1);
    properties->totalGlobalMem = device_total();
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    if (device < 0 || device >= device_count()) return cudaErrorInvalidValue;
    current_device = device;
    return cudaSuccess;
}
