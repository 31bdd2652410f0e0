#!/usr/bin/python3
"""The peer of step.py, infer.py and size.py: steps of a spatial network by PyTorch.

Standard input is one JSON object, `job` in peers.py: the network's layers as spatial.py gives them,
the batch, threads, form, number of steps, and whether they train (forward, backward, optimizer) or
infer (without gradients, on the logits). Standard output is another: milliseconds an image of each
step, for training those of its three parts (medians), the form used, parameters, what it ran on,
and the process's peak memory. Images are floats in memory, in the form's layout.

Training's forms are the two memory layouts; inference has each as it is (contiguous, channels_last)
and frozen by TorchScript with weights packed for oneDNN (frozen, frozen_channels_last). `auto` is
the quickest of them in a short trial, in a process of its own, on at most as many pixels as 16
images of 512 x 512 have.
"""
import json
import statistics
import sys
import time
import warnings

import spatial
import torch_peer


def inference(network, batch, form):
    """A function that infers a batch."""
    import torch
    layout = form.replace("frozen_", "").replace("frozen", "contiguous")
    images, _ = torch_peer.noise(network, batch, layout)
    torch.manual_seed(1)
    net = spatial.module(network).to(memory_format=torch_peer.memory_format(layout)).eval()
    if form.startswith("frozen"):
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, images)))

    def run():
        with torch.no_grad():
            net(images)

    return run


FORMS = {"train": tuple(torch_peer.LAYOUTS),
         "infer": ("contiguous", "channels_last", "frozen", "frozen_channels_last")}


def quickest_form(network, job):
    import torch
    torch.set_num_threads(job["threads"])
    if job["mode"] == "train":
        return torch_peer.faster_layout(network, job["optimizer"], job["batch"])
    batch = torch_peer.trial_batch(network, job["batch"])
    seconds = {form: torch_peer.quickest(inference(network, batch, form))
               for form in FORMS["infer"]}
    return min(seconds, key=seconds.get)


def train(network, job):
    trainer = torch_peer.Trainer(network, job["optimizer"], job["form"])
    batch = torch_peer.noise(network, job["batch"], job["form"])
    trainer.step(*batch)
    parts, times = [], []
    for _ in range(job["steps"]):
        loss = trainer.step(*batch)
        parts.append([1000 * s / job["batch"] for s in trainer.seconds])
        times.append(sum(parts[-1]))
    middle = [statistics.median(part) for part in zip(*parts)]
    return {"ms": times, "loss": loss, "parameters": torch_peer.parameters(trainer.network),
            **dict(zip(("forward_ms", "backward_ms", "update_ms"), middle))}


def infer(network, job):
    run = inference(network, job["batch"], job["form"])
    for _ in range(3):  # TorchScript compiles in the first two
        run()
    times = []
    for _ in range(job["steps"]):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started) / job["batch"])
    return {"ms": times, "parameters": network.parameters()}


def main():
    job = json.load(sys.stdin)
    network = spatial.Network(**job["network"])
    network = network._replace(layers=tuple(map(tuple, network.layers)))
    torch_peer.prepare(job["threads"], "step_peer.py", keep=job["keep"])
    if job["form"] == "auto":
        job["form"] = torch_peer.elsewhere(quickest_form, network, job)
    import torch
    torch.set_num_threads(job["threads"])
    result = (train if job["mode"] == "train" else infer)(network, job)
    print(json.dumps({**result, "form": job["form"], "version": torch_peer.version(),
                      "device": torch_peer.device(job["threads"]),
                      "peak_mib": torch_peer.peak_mib()}))


if __name__ == "__main__":
    main()
