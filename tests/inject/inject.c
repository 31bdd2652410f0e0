/* A library to be preloaded into a program: one of its calls fails. From main() on, allocations
 * (malloc and its like), threads, and the system calls that open, read, write, sync, cut, rename
 * and close files are counted; the call that the environment names returns an error.
 *
 * Allocations and threads are taken over by their names. System calls are trapped by a seccomp
 * filter, because stdio makes its own within libc: the kernel sends SIGSYS in their place, and the
 * handler makes them, or does not.
 *
 *   INJECT_CALLS=FILE  a line a call: kind, call site, who calls
 *   INJECT_SITE=HASH   the call fails that is made from this site
 *   INJECT_NTH=N       the Nth of them, or of all calls (default 1)
 *   INJECT_LOG=FILE    the failed call is written there: kind, who calls, and the stack
 *   INJECT_DEPTH=N     callers that tell one site from another (default 6)
 *   INJECT_KILL=1      the program is killed before the call, in place of its failure
 *
 * A call site is a hash of the addresses on the stack, relative to their files. Who calls is the
 * first file on the stack that is neither libc nor one of the sanitizers. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { FRAMES = 24, FILES = 128 };

static atomic_long calls;
static long nth = 1, most = 6;
static uint64_t wanted_site;
static bool by_site, injects, kills;
static int calls_file = -1, log_file = -1;
static atomic_bool armed;
/* AddressSanitizer takes over what the usual model of thread-local variables calls. */
static _Thread_local __attribute__((tls_model("initial-exec"))) int inside;

/* ---- System calls that the filter lets pass: those made here ---- */

long inject_syscall(long number, long a, long b, long c, long d, long e, long f);
extern char inject_return[];

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
__asm__(".text\n.globl inject_syscall\n.globl inject_return\n.type inject_syscall,@function\n"
        "inject_syscall:\n"
        "mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nmov %r8, %r10\n"
        "mov %r9, %r8\nmov 8(%rsp), %r9\nsyscall\n"
        "inject_return:\nret\n");
#define RESULT(context) (context)->uc_mcontext.gregs[REG_RAX]
static void take_arguments(const ucontext_t *c, long a[6]) {
    static const int registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
    for (int i = 0; i < 6; i++) a[i] = (long)c->uc_mcontext.gregs[registers[i]];
}
#elif defined(__aarch64__)
#define ARCHITECTURE    AUDIT_ARCH_AARCH64
__asm__(
    ".text\n.globl inject_syscall\n.globl inject_return\n.type inject_syscall,%function\n"
    "inject_syscall:\n"
    "mov x8, x0\nmov x0, x1\nmov x1, x2\nmov x2, x3\nmov x3, x4\nmov x4, x5\nmov x5, x6\nsvc #0\n"
    "inject_return:\nret\n");
#define RESULT(context) (context)->uc_mcontext.regs[0]
static void take_arguments(const ucontext_t *c, long a[6]) {
    for (int i = 0; i < 6; i++) a[i] = (long)c->uc_mcontext.regs[i];
}
#endif

/* ---- Where a call comes from ---- */

typedef struct {
    uintptr_t start, end, base;
    char name[40];
} loaded_file;

static loaded_file files[FILES];
static int file_count;
static pthread_mutex_t files_mutex = PTHREAD_MUTEX_INITIALIZER;

static int note_file(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size;
    (void)unused;
    const char *name = strrchr(info->dlpi_name, '/');
    name = name ? name + 1 : *info->dlpi_name ? info->dlpi_name : "program";
    for (int i = 0; i < info->dlpi_phnum && file_count < FILES; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        loaded_file *f = &files[file_count++];
        f->base = info->dlpi_addr;
        f->start = info->dlpi_addr + part->p_vaddr;
        f->end = f->start + part->p_memsz;
        snprintf(f->name, sizeof f->name, "%.*s", (int)strcspn(name, "."), name);
    }
    return 0;
}

static const loaded_file *find_file(uintptr_t address) {
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < file_count; i++)
            if (address >= files[i].start && address < files[i].end) return &files[i];
        pthread_mutex_lock(&files_mutex);
        file_count = 0;
        dl_iterate_phdr(note_file, NULL);
        pthread_mutex_unlock(&files_mutex);
    }
    return NULL;
}

static bool is_base(const char *name) {
    static const char *const base[] = {"libc",       "libasan", "libubsan", "ld-linux-x86-64",
                                       "linux-vdso", "libm",    "inject",   NULL};
    for (int i = 0; base[i]; i++)
        if (!strcmp(name, base[i])) return true;
    return false;
}

typedef struct {
    uint64_t site;
    const char *caller; /* a file */
} origin;

static __attribute__((noinline)) origin find_origin(void) {
    void *stack[FRAMES];
    origin o = {1469598103934665603u, "?"};
    int count = backtrace(stack, FRAMES), depth = 0;
    for (int i = 0; i < count && depth < most; i++) {
        const loaded_file *f = find_file((uintptr_t)stack[i]);
        if (!f || !strcmp(f->name, "inject")) continue;
        bool first = o.caller[0] == '?' && !is_base(f->name);
        if (first) o.caller = f->name;
        /* FFTW ends the program wherever it gets no memory: one site a call of it. */
        if (!strncmp(f->name, "libfftw", 7) && !first) continue;
        for (const char *c = f->name; *c; c++) o.site = (o.site ^ (uint64_t)*c) * 1099511628211u;
        if (strncmp(f->name, "libfftw", 7) != 0)
            o.site = (o.site ^ ((uintptr_t)stack[i] - f->base)) * 1099511628211u;
        depth += first || depth;
    }
    return o;
}

static void print(int file, const char *text, size_t length) {
    inject_syscall(SYS_write, file, (long)text, (long)length, 0, 0, 0);
}

/* Counts a call, and returns whether it is the one to fail. */
static bool fails(const char *kind) {
    if (!armed || inside) return false;
    inside++;
    int error = errno;
    char line[128];
    bool failed = false;
    if (calls_file >= 0 || by_site) {
        origin o = find_origin();
        if (calls_file >= 0) {
            int length = snprintf(line, sizeof line, "%s %016llx %s\n", kind,
                                  (unsigned long long)o.site, o.caller);
            print(calls_file, line, (size_t)length);
        }
        failed = by_site && o.site == wanted_site && atomic_fetch_add(&calls, 1) + 1 == nth;
    } else if (injects) {
        failed = atomic_fetch_add(&calls, 1) + 1 == nth;
    }
    if (failed && log_file >= 0) {
        int length = snprintf(line, sizeof line, "%s %s\n", kind, find_origin().caller);
        print(log_file, line, (size_t)length);
        void *stack[FRAMES];
        backtrace_symbols_fd(stack, backtrace(stack, FRAMES), log_file);
    }
    if (failed && kills) inject_syscall(SYS_kill, (long)getpid(), SIGKILL, 0, 0, 0, 0);
    errno = error;
    inside--;
    return failed;
}

/* ---- Allocations: the sanitizer's where there is one ---- */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);
#define WEAK __attribute__((weak))
extern WEAK void *__interceptor_malloc(size_t), *__interceptor_calloc(size_t, size_t),
    *__interceptor_realloc(void *, size_t), *__interceptor_aligned_alloc(size_t, size_t),
    *__interceptor_memalign(size_t, size_t);
extern WEAK int __interceptor_posix_memalign(void **, size_t, size_t);
extern WEAK int __interceptor_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                                             void *);

static bool allocation_fails(void) {
    if (!fails("allocation")) return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes) {
    if (allocation_fails()) return NULL;
    return __interceptor_malloc ? __interceptor_malloc(bytes) : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    if (allocation_fails()) return NULL;
    return __interceptor_calloc ? __interceptor_calloc(count, bytes) : __libc_calloc(count, bytes);
}

void *realloc(void *at, size_t bytes) {
    if (allocation_fails()) return NULL;
    return __interceptor_realloc ? __interceptor_realloc(at, bytes) : __libc_realloc(at, bytes);
}

void *reallocarray(void *at, size_t count, size_t bytes) {
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(at, all);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    if (allocation_fails()) return NULL;
    return __interceptor_aligned_alloc ? __interceptor_aligned_alloc(alignment, bytes)
                                       : __libc_memalign(alignment, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    if (allocation_fails()) return NULL;
    return __interceptor_memalign ? __interceptor_memalign(alignment, bytes)
                                  : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **at, size_t alignment, size_t bytes) {
    if (allocation_fails()) return ENOMEM;
    if (__interceptor_posix_memalign) return __interceptor_posix_memalign(at, alignment, bytes);
    void *memory = __libc_memalign(alignment, bytes);
    if (!memory) return ENOMEM;
    *at = memory;
    return 0;
}

/* The sanitizer's own would not come by here. */
char *strndup(const char *text, size_t most) {
    size_t length = strnlen(text, most);
    char *copy = malloc(length + 1);
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *strdup(const char *text) { return strndup(text, SIZE_MAX / 2); }

/* ---- Threads ---- */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
    if (fails("thread")) return EAGAIN;
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        __interceptor_pthread_create;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    inside++;
    int result = real(thread, attributes, start, argument);
    inside--;
    return result;
}

/* A thread that blocks all signals must not block this one: the kernel would end the program. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before) {
    static int (*real)(int, const sigset_t *, sigset_t *);
    sigset_t allowed;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_sigmask");
    if (set && how != SIG_UNBLOCK) {
        allowed = *set;
        sigdelset(&allowed, SIGSYS);
        set = &allowed;
    }
    return real(how, set, before);
}

/* ---- System calls ---- */

#ifdef ARCHITECTURE

static const struct {
    int number, error;
    const char *kind;
} traps[] = {
#ifdef SYS_open
    {SYS_open, EMFILE, "open"},
    {SYS_rename, EIO, "rename"},
    {SYS_link, EPERM, "link"}, /* as of a file system without links */
    {SYS_mkdir, ENOSPC, "mkdir"},
#endif
    {SYS_openat, EMFILE, "open"},
    {SYS_mkdirat, ENOSPC, "mkdir"},
    {SYS_read, EIO, "read"},
    {SYS_pread64, EIO, "read"},
    {SYS_write, ENOSPC, "write"},
    {SYS_pwrite64, ENOSPC, "write"},
    {SYS_writev, ENOSPC, "write"},
    {SYS_fsync, EIO, "sync"},
    {SYS_fdatasync, EIO, "sync"},
    {SYS_ftruncate, EIO, "cut"},
    {SYS_fallocate, ENOSPC, "reserve"},
    {SYS_renameat, EIO, "rename"},
    {SYS_renameat2, EIO, "rename"},
    {SYS_linkat, EPERM, "link"},
    {SYS_close, EIO, "close"},
};
enum { TRAPS = sizeof traps / sizeof *traps };

static void handle(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    ucontext_t *c = context;
    long a[6];
    int trap = 0, error = errno;
    while (trap < TRAPS && traps[trap].number != info->si_syscall) trap++;
    take_arguments(c, a);
    bool failed = trap < TRAPS && fails(traps[trap].kind);
    long result = -(trap < TRAPS ? traps[trap].error : ENOSYS);
    /* A close that fails has closed all the same. */
    if (!failed || info->si_syscall == SYS_close) {
        long real = inject_syscall(info->si_syscall, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (!failed) result = real;
    }
    RESULT(c) = result;
    errno = error;
}

#define FIELD(name)  (uint32_t) offsetof(struct seccomp_data, name)
#define LOAD(field)  (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, field)
#define RETURN(what) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, what)
#define UNLESS(compare, value, skip)                                                               \
    (struct sock_filter) BPF_JUMP(BPF_JMP | (compare) | BPF_K, value, 0, skip)

static int allow_range(struct sock_filter *f, uintptr_t start, uintptr_t end) {
    int n = 0;
    if (start >> 32 != end >> 32) return 0;
    f[n++] = LOAD(FIELD(instruction_pointer) + 4);
    f[n++] = UNLESS(BPF_JEQ, (uint32_t)(start >> 32), 4);
    f[n++] = LOAD(FIELD(instruction_pointer));
    f[n++] = UNLESS(BPF_JGE, (uint32_t)start, 2);
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)end, 1, 0);
    f[n++] = RETURN(SECCOMP_RET_ALLOW);
    return n;
}

static bool install_filter(void) {
    struct sock_filter filter[64 + 2 * TRAPS];
    int n = 0;
    filter[n++] = LOAD(FIELD(arch));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    filter[n++] = RETURN(SECCOMP_RET_ALLOW);
    n += allow_range(filter + n, (uintptr_t)inject_return, (uintptr_t)inject_return);
    /* The sanitizers' own calls are none of the program's, and their leak check stops signals. */
    for (int i = 0; i < file_count; i++)
        if (!strcmp(files[i].name, "libasan") || !strcmp(files[i].name, "libubsan"))
            n += allow_range(filter + n, files[i].start, files[i].end);
    filter[n++] = LOAD(FIELD(nr));
    for (int i = 0; i < TRAPS; i++) {
        filter[n++] = UNLESS(BPF_JEQ, (uint32_t)traps[i].number, 1);
        filter[n++] = RETURN(SECCOMP_RET_TRAP);
    }
    filter[n++] = RETURN(SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSYS, &action, NULL);
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
           !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#else
static bool install_filter(void) { return false; }
#endif

/* ---- From main() on ---- */

static int open_high(const char *variable) {
    const char *path = getenv(variable);
    int low = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    int high = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, 700);
    if (low >= 0) close(low);
    return high;
}

static void disarm(void) { armed = false; }

static int (*real_main)(int, char **, char **);

static int armed_main(int count, char **arguments, char **environment) {
    const char *site = getenv("INJECT_SITE"), *number = getenv("INJECT_NTH");
    const char *depth = getenv("INJECT_DEPTH");
    void *warm[4];
    calls_file = open_high("INJECT_CALLS");
    log_file = open_high("INJECT_LOG");
    by_site = site != NULL;
    injects = by_site || number;
    kills = getenv("INJECT_KILL") != NULL;
    if (site) wanted_site = strtoull(site, NULL, 16);
    if (number) nth = atol(number);
    if (depth) most = atol(depth);
    backtrace(warm, 4); /* loads the unwinder */
    dl_iterate_phdr(note_file, NULL);
    if (calls_file >= 0 || injects) {
        if (__interceptor_malloc) atexit(disarm); /* before the leak check */
        if (!getenv("INJECT_NO_SYSCALLS") && !install_filter()) {
            static const char text[] = "inject: system calls cannot be trapped here\n";
            print(STDERR_FILENO, text, sizeof text - 1);
        }
        armed = true;
    }
    return real_main(count, arguments, environment);
}

int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments,
                      void (*init)(void), void (*fini)(void), void (*loader)(void), void *end) {
    int (*real)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
                void (*)(void), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "__libc_start_main");
    real_main = main;
    return real(armed_main, count, arguments, init, fini, loader, end);
}
