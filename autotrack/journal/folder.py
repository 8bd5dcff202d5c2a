"""The `.autotrack` folder: where it is, and where in it things lie."""

from __future__ import annotations

import os

NAME = ".autotrack"

_NETWORK_FILE_SYSTEMS = frozenset(
    """
    nfs nfs3 nfs4 cifs smb3 smbfs 9p afs ceph lustre gpfs beegfs glusterfs
    fuse.sshfs fuse.glusterfs fuse.gcsfuse fuse.s3fs
    """.split()
)


def find(start: str) -> str:
    """The folder that a program started in `start` writes to: the nearest `.autotrack` upward, else one at
    the root of the git work tree, else one in `start` itself.  Nothing is created."""
    root = None
    folder = start
    while True:
        candidate = os.path.join(folder, NAME)
        if os.path.isdir(candidate):
            return candidate
        if root is None and os.path.exists(os.path.join(folder, ".git")):
            root = candidate
        above = os.path.dirname(folder)
        if above == folder:
            return root or os.path.join(start, NAME)
        folder = above


def on_network(path: str) -> bool:
    """Whether `path` lies on a network file system, where mapped pages and SQLite's WAL are not safe."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            lines = mounts.readlines()
    except OSError:
        return False
    best, network = "", False
    path = os.path.realpath(path)
    for line in lines:
        fields = line.split(" ")
        point = fields[4].replace("\\040", " ")
        if len(point) >= len(best) and (path == point or path.startswith(point.rstrip("/") + "/")):
            best, network = point, fields[fields.index("-") + 1] in _NETWORK_FILE_SYSTEMS
    return network


class Folder:
    """The paths inside one `.autotrack` folder."""

    def __init__(self, root: str) -> None:
        self.root = root

    def __repr__(self) -> str:
        return f"Folder({self.root!r})"

    def create(self) -> None:
        """Make the folder, with the `.gitignore` that keeps it out of the user's repository."""
        os.makedirs(self.root, exist_ok=True)
        ignore = os.path.join(self.root, ".gitignore")
        if not os.path.exists(ignore):
            with open(ignore, "w", encoding="ascii") as file:
                file.write("*\n")

    def is_ours(self) -> bool:
        """Whether it was made to be recorded into, and not for something else."""
        ours = (self.journal, self.live, self.edits, self.store)
        return os.path.isdir(self.root) and (
            os.path.basename(self.root) == NAME or not os.listdir(self.root) or any(map(os.path.exists, ours))
        )

    @property
    def journal(self) -> str:
        return os.path.join(self.root, "journal")

    @property
    def live(self) -> str:
        """Holds a file for each job that is open or not yet taken in; readers look only here for news."""
        return os.path.join(self.root, "live")

    @property
    def edits(self) -> str:
        return os.path.join(self.root, "edits")

    @property
    def blobs(self) -> str:
        return os.path.join(self.root, "blobs")

    @property
    def objects(self) -> str:
        """Code snapshots, see `autotrack.journal.objects`."""
        return os.path.join(self.root, "objects")

    @property
    def outputs(self) -> str:
        """The paths of files that jobs have written, a line each: what a snapshot of code leaves out."""
        return os.path.join(self.root, "outputs")

    def handed(self, job: str) -> str:
        """The files that the workers of a running job have opened, see `autotrack.capture.handed`."""
        return os.path.join(self.root, "workers", job)

    def first(self, job: str) -> str:
        """There where a worker has told what the program of a running job is."""
        return os.path.join(self.root, "workers", f"{job}.first")

    def index(self, key: str) -> str:
        """The finished runs of one key, see `autotrack.duplicates`."""
        return os.path.join(self.root, "index", key)

    @property
    def store(self) -> str:
        return os.path.join(self.root, "store.db")

    @property
    def lock(self) -> str:
        """Held by the one reader that ingests."""
        return os.path.join(self.root, "ingest.lock")

    def job(self, job: str) -> str:
        return os.path.join(self.journal, job)

    def blob(self, digest: str) -> str:
        return os.path.join(self.blobs, digest[:2], digest[2:])
