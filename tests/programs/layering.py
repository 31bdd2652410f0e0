"""Arrows between the source files point down, and none leads back to where it came from.

usage: layering.py ROOT BUILD

Two graphs are drawn: of files that include each other, read from the sources below ROOT, and of
sources that call each other's functions, read with nm from the object files of BUILD. Neither may
have a circle, no folder may include from one that is above or beside it, and framework/ declares
no function that another folder defines. Each fault is printed with the lines or the names that make
it, and the exit code is then 1. Variables make no arrows: by a table of
functions, such as a backend, a module may call what it knows nothing of.
"""

import pathlib
import re
import subprocess
import sys

# What a folder may include beside its own files.
BELOW = {
    "framework": [],
    "layers": ["framework"],
    "data": ["framework"],
    "cpu": ["framework"],
    "cuda": ["framework"],
    "include": ["framework", "data"],
    "inference": ["framework", "data", "include"],
    "onnx": ["framework", "layers", "include"],
    "ranks": ["framework"],
    "training": ["framework", "data", "include", "inference", "ranks"],
    "train": [
        "framework", "layers", "data", "cpu", "cuda", "include", "inference", "onnx", "ranks",
        "training"
    ],
}
# Where the compiler looks for a header that does not stand beside the file that includes it.
PLACES = [".", "include", "framework", "data"]
# The public header as old programs find it, with -I framework; no file may include it.
FORWARDING = pathlib.Path("framework/fcnn.h")
# Kernels are compiled once for each instruction set, and one set stands for all.
OTHER_SETS = ["fcnn_avx2.dir", "fcnn_avx512.dir"]


def add(graph, start, end, reason):
    if start != end:
        graph.setdefault(start, {}).setdefault(end, []).append(reason)


def includes(root):
    """Yields file, line and included file for every include of a file of the project."""
    for folder in BELOW:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".c", ".cu", ".h"):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = re.match(r'\s*#\s*include\s*["<](.+?)[">]', line)
                if not found:
                    continue
                for place in (path.parent, *(root / place for place in PLACES)):
                    included = (place / found[1]).resolve()
                    if included.is_file() and root in included.parents:
                        yield path.relative_to(root), number, included.relative_to(root)
                        break


def include_graph(root):
    """The graph of includes, and the includes that point up or sideways."""
    graph, faults = {}, []
    for path, number, included in includes(root):
        if included == FORWARDING:
            faults.append(f"{path}:{number} includes {included}, which is for old programs alone")
        if path == FORWARDING:
            continue
        add(graph, str(path), str(included), f"{path}:{number} includes {included}")
        folder, other = path.parts[0], included.parts[0]
        if other != folder and other not in BELOW[folder]:
            faults.append(f"{path}:{number} includes {included}: {folder}/ may not include from {other}/")
    return graph, faults


def compiled(root, build):
    """Yields every object file of the project in a build, and its source relative to ROOT."""
    for path in sorted(build.rglob("*.o")):
        parts = path.relative_to(build).parts
        if "CMakeFiles" not in parts or any(part in OTHER_SETS for part in parts):
            continue
        # The object of A/B.c is CMakeFiles/TARGET.dir/A/B.c.o, and where A is no folder below that
        # of the target, __ stands for the one above it.
        at = parts.index("CMakeFiles")
        source = pathlib.Path(*parts[:at], *(".." if part == "__" else part for part in parts[at + 2 :]))
        source = (root / source.with_suffix("")).resolve()
        # An object may have outlived its source.
        if source.is_file() and root in source.parents and source.relative_to(root).parts[0] in BELOW:
            yield path, source.relative_to(root)


def call_graph(root, build):
    """The graph of functions that an object file uses and another one defines, the sources that
    define functions, by the functions' names, and how many objects there are."""
    owner, used, count = {}, [], 0
    for path, source in compiled(root, build):
        count += 1
        listing = subprocess.run(
            ["nm", "--format=posix", str(path)], check=True, capture_output=True, text=True
        ).stdout
        for line in listing.splitlines():
            symbol, kind = line.split()[:2]
            if kind == "T":
                owner[symbol] = source
            elif kind == "U":
                used.append((source, symbol))
    graph = {}
    for source, symbol in sorted(set(used)):
        if symbol in owner:
            target = owner[symbol]
            add(graph, str(source), str(target), f"{source} calls {symbol} of {target}")
    return graph, owner, count


def foreign_declarations(root, owner):
    """Yields the headers of framework/ that name a function of another folder."""
    for path in sorted((root / "framework").glob("*.h")):
        for name in sorted(set(re.findall(r"\w+(?=\()", path.read_text()))):
            if name in owner and owner[name].parts[0] != "framework":
                yield f"{path.relative_to(root)} declares {name}, which {owner[name]} defines"


def shortest_circle(graph, start):
    """The files of a shortest way from start back to it, start first; None where there is none."""
    came_from, frontier = {}, [start]
    while frontier:
        following = []
        for at in frontier:
            for to in sorted(graph.get(at, {})):
                if to == start:
                    way = [at]
                    while way[-1] != start:
                        way.append(came_from[way[-1]])
                    return way[::-1]
                if to not in came_from:
                    came_from[to] = at
                    following.append(to)
        frontier = following
    return None


def circles(graph):
    """The shortest circle through each file that lies on one, each circle once."""
    found = {}
    for start in sorted(graph):
        way = shortest_circle(graph, start)
        if way:
            found.setdefault(frozenset(way), way)
    return sorted(found.values(), key=len)


def describe(graph, way):
    """The circle's files on a line, then for each arrow what makes it."""
    lines = ["a circle: " + " -> ".join([*way, way[0]])]
    for start, end in zip(way, [*way[1:], way[0]]):
        reasons = graph[start][end]
        lines += ["    " + reason for reason in reasons[:8]]
        if len(reasons) > 8:
            lines.append(f"    and {len(reasons) - 8} more from {start} to {end}")
    return "\n".join(lines)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    root, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    included, faults = include_graph(root)
    calls, owner, objects = call_graph(root, build)
    faults += foreign_declarations(root, owner)
    if not included or not objects:
        sys.exit(f"no sources below {root} or no object files in {build}")
    for graph in (included, calls):
        faults += [describe(graph, way) for way in circles(graph)]
    if faults:
        sys.exit("\n".join(faults))
    print(f"{len(included)} files with includes and {objects} object files: no circle")


if __name__ == "__main__":
    main()
