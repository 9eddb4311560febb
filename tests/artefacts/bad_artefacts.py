"""What can be wrong with artefacts, servers and stores: how each is brought about, and what a user has to read then.

tools/bad_artefacts.py writes docs/bad-artefacts.md of it, test_bad_artefacts.py holds the product to it.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shlex
import signal
import ssl
import subprocess
import tarfile
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.artefacts.bench import BUILD, LOADFLEET, PHOTOS, ROOT, Bench, Run, odd, sha256, tar_of, waiting, zip_of

if TYPE_CHECKING:
    from collections.abc import Callable

EMPTY = "In the store: nothing."
GOOD = "In the store: dataset photos (good)."
# Root without its powers: files that root may not read are not read.
POWERLESS = ["unshare", "-U"]
HINT = "the validation photos of ILSVRC 2012, from https://image-net.org after registration"
NOISE = b"".join(hashlib.sha256(bytes([one, two])).digest() for one in range(128) for two in range(32))
FILES = {"1.jpg": b"first photo", "2.jpg": b"second photo", "labels.txt": b"1 2"}

Proof = "Callable[[], None] | None"


@dataclass(frozen=True)
class Case:
    """One thing that is wrong.

    Attributes:
        title: Heading.
        done: What was done, in words.
        says: What the output contains, with single spaces.
        status: Exit status of the command.
        state: What is in the store afterwards.
        then: What is true afterwards besides, in words; the function proves it.
        bring: Breaks something and runs a command; gives back its run, and what proves `then`.
    """

    title: str
    done: str
    says: tuple[str, ...]
    status: int
    state: str
    then: str
    bring: Callable[[Bench], Run | tuple[Run, Callable[[], None]]]

    @property
    def name(self) -> str:
        return self.bring.__name__


CASES: list[Case] = []


def case(title: str, done: str, *says: str, status: int, state: str = EMPTY, then: str = "") -> Callable[..., object]:
    """Register a function that breaks something and runs a command."""

    def register(bring: Callable[[Bench], Run | tuple[Run, Callable[[], None]]]) -> object:
        CASES.append(Case(title, done, says, status, state, then, bring))
        return bring

    return register


def attempt(bench: Bench, case: Case) -> tuple[Run, list[str]]:
    """Bring a case about; what was run, and what is not as it should be."""
    brought = case.bring(bench)
    run, proof = brought if isinstance(brought, tuple) else (brought, None)
    text = " ".join(bench.short(run.text).split())
    problems = [f"does not say {words!r}" for words in case.says if words not in text]
    if "Traceback" in run.text:
        problems.append("a traceback")
    if run.status != case.status:
        problems.append(f"exit status {run.status} instead of {case.status}")
    if (state := bench.state()) != case.state:
        problems.append(f"{state!r} instead of {case.state!r}")
    if proof:
        proof()
    return run, problems


# Servers.


@case(
    "Another file than the declared one", "The server has a file of the same size and another content.",
    "url http://data.example.org/photos.tar: another file: sha256", "fix: put the file, named photos.tar", status=3,
)  # fmt: skip
def wrong_checksum(bench: Bench) -> Run:
    bench.declare(bench.serve(b"x" * len(PHOTOS)))
    return bench.ensure()


@case(
    "A file that was cut off", "The server has only the first half of the file, and says so in its Content-Length.",
    "another file: 1,280,000 bytes instead of 2,560,000", status=3,
)  # fmt: skip
def truncated(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS[: len(PHOTOS) // 2]))
    return bench.ensure()


@case(
    "A wrong Content-Length", "The server announces more bytes than the catalogue declares, and than it sends.",
    "another file: 2,561,000 bytes instead of 2,560,000", status=3,
)  # fmt: skip
def wrong_length(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS))
    bench.server.behave.append("long")
    return bench.ensure()


@case(
    "A web page instead of the file", "The server answers 200 with a page that wants a login.",
    "answers with a web page instead of the file: 'Log in'", status=3,
)  # fmt: skip
def web_page(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS))
    bench.server.behave.append("page")
    return bench.ensure()


@case(
    "A server that stops midway", "The server breaks off after a half, then refuses to go on.",
    "ended after 1,280,000 of 2,560,000 bytes; trying again (1 of 3)", "HTTP 403 Forbidden", status=3,
    state="In the store: 1,280,000 bytes of a download.",
    then="The same command asks for the other half only, once the server answers again.",
)  # fmt: skip
def stops_midway(bench: Bench) -> tuple[Run, Callable[[], None]]:
    bench.declare(bench.serve(PHOTOS))
    bench.server.behave += ["die", 403]
    run = bench.ensure()

    def again() -> None:
        assert bench.ensure().status == 0
        assert bench.server.seen[-1] == ("/photos.tar", "bytes=1280000-")
        assert bench.state() == GOOD

    return run, again


@case(
    "A file that changes between two attempts", "The server broke off, and has another version of the file now.",
    "another file: sha256", status=3,
    then="The two halves of two files were not glued together: the request said which version the first half is of.",
)  # fmt: skip
def changes_midway(bench: Bench) -> tuple[Run, Callable[[], None]]:
    bench.declare(bench.serve(PHOTOS))
    bench.server.fields["/photos.tar"] = {"ETag": '"1"'}
    bench.server.behave += ["die", 403]
    bench.ensure()
    bench.serve(b"y" * len(PHOTOS))
    bench.server.fields["/photos.tar"] = {"ETag": '"2"'}
    run = bench.ensure()

    def proof() -> None:
        assert bench.server.headers_seen[-1]["If-Range"] == '"1"'

    return run, proof


@case(
    "Sources that all fail", "Of three addresses one lacks the file, one has nobody listening, one does not exist.",
    "asking url http://data.example.org/gone.tar", "url http://data.example.org/gone.tar: HTTP 404 Not Found",
    "url http://127.0.0.1:9/photos.tar: Connection refused", "url http://nowhere.invalid/photos.tar: ", status=3,
)  # fmt: skip
def all_fail(bench: Bench) -> Run:
    places = (f"{bench.url}/gone.tar", "http://127.0.0.1:9/photos.tar", "http://nowhere.invalid/photos.tar")
    bench.declare(*({"type": "url", "url": place} for place in places))
    return bench.ensure()


@case(
    "A mirror with a certificate that nobody signed", "The mirror's key is its own; it could be anybody's.",
    "its certificate is not to be trusted: self-signed certificate", status=3,
)  # fmt: skip
def wrong_key(bench: Bench) -> Run:
    bench.declare()
    key, certificate = bench.path / "key.pem", bench.path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = bench.listen_too()
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    address = f"localhost:{listening.server_port}"
    try:
        run = bench.ensure(f"photos --mirror https://{address}")
    finally:
        listening.shutdown()
        listening.server_close()
    shown, text = (words.replace(address, "mirror.example.org") for words in (run.shown, run.text))
    return Run(shown, run.status, text)


@case(
    "A mirror with a wrong password", "The password in the mirror's address is not the right one.",
    "mirror http://data.example.org/mirror: ", "HTTP 401 Unauthorized", status=3,
    then="The password is in no output and in no file of the store.",
)  # fmt: skip
def wrong_password(bench: Bench) -> tuple[Run, Callable[[], None]]:
    bench.declare()
    bench.server.behave += [401, 401]
    address = bench.url.replace("//", "//reader:Sesame-2026@")
    run = bench.ensure(f"photos --mirror {address}/mirror")

    def proof() -> None:
        assert "Sesame" not in run.text
        assert not any(b"Sesame" in path.read_bytes() for path in bench.store.rglob("*") if path.is_file())

    return Run(run.shown.replace(address, "http://reader:PASSWORD@data.example.org"), run.status, run.text), proof


@case(
    "Nothing but the network has it, and it is not to be used", "`--offline`, in a playbook `artifact_offline: true`.",
    "url http://data.example.org/photos.tar: not asked: offline", status=3,
)  # fmt: skip
def offline(bench: Bench) -> tuple[Run, Callable[[], None]]:
    bench.declare(bench.serve(PHOTOS))
    run = bench.ensure("photos --offline")

    def proof() -> None:
        assert bench.server.seen == []

    return run, proof


@case(
    "A package that no index has", "The catalogue names a package that pip does not find.",
    "package photos-of-nobody 1.0: pip: No matching distribution found for photos-of-nobody==1.0", status=3,
)  # fmt: skip
def no_package(bench: Bench) -> Run:
    source = {"type": "package", "package": "photos-of-nobody", "version": "1.0", "sha256": "0" * 64, "member": "a"}
    bench.declare(source)
    return bench.ensure()


# What the operator supplies.


@case(
    "A file that you have to supply", "ImageNet may not be downloaded freely, and nothing was supplied.",
    f"the operator: you have to supply it: {HINT}",
    "fix: get photos.tar, then name it: `--supplied photos=/path/of/photos.tar`, in a playbook "
    "artifact_supplied: {photos: /path/of/photos.tar}", status=3,
)  # fmt: skip
def nothing_supplied(bench: Bench) -> Run:
    bench.declare({"type": "operator", "hint": HINT})
    return bench.ensure()


@case(
    "A supplied archive that is cut off", "The copy of the archive ended early.",
    "supplied <folder>/val.tar: another file: 2,000,000 bytes instead of 2,560,000", status=3,
)  # fmt: skip
def supplied_truncated(bench: Bench) -> Run:
    bench.declare({"type": "operator", "hint": HINT})
    return bench.ensure(f"photos --supplied photos={bench.write(PHOTOS[:2_000_000], 'val.tar')}")


@case(
    "A supplied path that is not there", "The path was mistyped.", "supplied <folder>/vla.tar: not there", status=3,
)  # fmt: skip
def supplied_absent(bench: Bench) -> Run:
    bench.declare({"type": "operator", "hint": HINT})
    return bench.ensure(f"photos --supplied photos={bench.path}/vla.tar")


@case(
    "Something supplied for a name that does not exist", "The name was mistyped.",
    "nothing in the catalogue is named 'fotos' fix: did you mean photos", status=2,
)  # fmt: skip
def supplied_for_nobody(bench: Bench) -> Run:
    bench.declare({"type": "operator", "hint": HINT})
    return bench.ensure(f"photos --supplied fotos={bench.path}/val.tar")


@case(
    "A folder that cannot be read", "The mirror is a folder that only its owner may read.",
    "mirror <folder>/private: ", "Permission denied", status=3,
)  # fmt: skip
def unreadable_mirror(bench: Bench) -> Run:
    bench.declare()
    folder = bench.write(PHOTOS, "private/photos.tar").parent
    folder.chmod(0)
    try:
        return bench.ensure(f"photos --mirror {folder}", around=POWERLESS)
    finally:
        folder.chmod(0o755)


# Archives.


@case(
    "A member that an archive does not have", "The catalogue names a member that is written otherwise.",
    "archive has no member val/1.jpeg (it has val/1.jpg)", status=3,
)  # fmt: skip
def no_member(bench: Bench) -> Run:
    archive = tar_of({"val/1.jpg": PHOTOS})
    bench.declare({**bench.serve(archive, "a.tar"), "sha256": sha256(archive), "member": "val/1.jpeg"})
    return bench.ensure()


@case(
    "An archive that leads out of its folder", "A member is named `../../.ssh/authorized_keys`.",
    "photos.tar: the path '../../.ssh/authorized_keys' leads out of the folder; nothing of it was kept", status=3,
    state=GOOD,
)  # fmt: skip
def traversal(bench: Bench) -> tuple[Run, Callable[[], None]]:
    bench.unpacking(tar_of({**FILES, "../../.ssh/authorized_keys": b"evil"}))
    run = bench.ensure("unpacked")

    def proof() -> None:
        assert not list(bench.path.rglob("authorized_keys"))

    return run, proof


@case(
    "An archive with a link", "A member is a link to `/etc/passwd`.",
    "photos.tar: 3.jpg is a link, not a plain file; nothing of it was kept", status=3, state=GOOD,
)  # fmt: skip
def link(bench: Bench) -> Run:
    bench.unpacking(tar_of(FILES, odd("3.jpg", tarfile.SYMTYPE, "/etc/passwd")))
    return bench.ensure("unpacked")


@case(
    "An archive with a device", "A member is a device.",
    "photos.tar: 3.jpg is a device, not a plain file; nothing of it was kept", status=3, state=GOOD,
)  # fmt: skip
def device(bench: Bench) -> Run:
    bench.unpacking(tar_of(FILES, odd("3.jpg", tarfile.BLKTYPE)))
    return bench.ensure("unpacked")


@case(
    "An archive with one name twice", "Two members have the same name.",
    "photos.tar: it holds 1.jpg twice; nothing of it was kept", status=3, state=GOOD,
)  # fmt: skip
def name_clash(bench: Bench) -> Run:
    bench.unpacking(tar_of({**FILES, "./1.jpg": b"another photo"}))
    return bench.ensure("unpacked")


@case(
    "A zip bomb", "80 kB unpack to 80 MB.", "photos.tar: it unpacks to more than 7.8 MB; nothing of it was kept "
    "fix: raise the parameter `bytes` of its catalogue entry if that is right", status=3, state=GOOD,
)  # fmt: skip
def bomb(bench: Bench) -> Run:
    bench.unpacking(zip_of({"1.jpg": bytes(80_000_000)}))
    return bench.ensure("unpacked")


@case(
    "A truncated archive that was declared so", "Somebody took the checksum of a broken download.",
    "photos.tar: it is damaged, cut off or no archive: Compressed file ended before the end-of-stream marker was "
    "reached", status=3, state=GOOD,
)  # fmt: skip
def declared_truncated(bench: Bench) -> Run:
    bench.unpacking(gzip.compress(tar_of({"1.jpg": b"x", "2.jpg": NOISE}), mtime=0)[:50_000])
    return bench.ensure("unpacked")


@case(
    "An archive with a photo missing", "The catalogue says that there are 50,000; one is missing.",
    "photos.tar: it holds 3 files instead of 4; nothing of it was kept", status=3, state=GOOD,
)  # fmt: skip
def file_missing(bench: Bench) -> Run:
    bench.unpacking(tar_of(FILES), files=4)
    return bench.ensure("unpacked")


# Pictures, labels and models.


def prepared(bench: Bench, labels: str, **pictures: bytes) -> Run:
    """Have three photos prepared for EfficientNet-Lite0, with these labels and other contents of some."""
    names = ("bee", "cup", "koala")
    embedded = ROOT / "harness/src/loadfleet/embedded/classification-photos"
    files = {f"{name}.jpg": pictures.get(name, (embedded / f"{name}.jpg").read_bytes()) for name in names}
    photos, listed = tar_of(files), labels.encode()
    bench.declare(bench.serve(photos), content=photos)
    bench.declare(bench.serve(listed, "labels.txt"), content=listed, name="labels", place="labels.txt")
    recipe = {
        "resolution": 224, "layout": "NCHW", "resize": {"method": "bicubic", "shorter": 256, "longer": "nearest"},
        "normalise": [{"subtract": [123.68, 116.78, 103.94]}],
    }  # fmt: skip
    build = {
        "entry_point": "loadfleet.workloads.image_classification.prepare:build", "version": 1,
        "parameters": {"pictures": "photos/photos.tar", "labels": "labels/labels.txt", "samples": 3, "recipe": recipe},
        "requires": [{"kind": "dataset", "name": name} for name in ("photos", "labels")],
    }  # fmt: skip
    files_made = [{"name": name} for name in ("images.npy", "labels.npy")]
    bench.catalogue("prepared", {"build": build, "files": files_made})
    return bench.ensure("prepared")


RAW = "In the store: dataset labels (good), dataset photos (good)."


@case(
    "A corrupt picture in the archive of a data set",
    "One of three photos is cut off; the archive's checksum is right.",
    "the picture koala.jpg cannot be read: image file is truncated", "fix: get the file again", status=3, state=RAW,
)  # fmt: skip
def corrupt_picture(bench: Bench) -> Run:
    koala = (ROOT / "harness/src/loadfleet/embedded/classification-photos/koala.jpg").read_bytes()
    return prepared(bench, "bee.jpg 309\ncup.jpg 968\nkoala.jpg 105\n", koala=koala[: len(koala) // 3])


@case(
    "A list of labels with a line missing", "Of three photos two have a label.",
    "labels.txt: has 2 labels, expected 3", status=3, state=RAW,
)  # fmt: skip
def label_missing(bench: Bench) -> Run:
    return prepared(bench, "bee.jpg 309\nkoala.jpg 105\n")


@case(
    "A label that is none", "A line of the list has no class.",
    "labels.txt line 2: expected NAME CLASS (0..999), found 'cup.jpg'", status=3, state=RAW,
)  # fmt: skip
def label_without_class(bench: Bench) -> Run:
    return prepared(bench, "bee.jpg 309\ncup.jpg\nkoala.jpg 105\n")


@case(
    "A picture that the archive lacks", "The list of labels names a photo that is not in the archive.",
    "photos/photos.tar lacks 1 of 3 labelled pictures: panda.jpg is the first", status=3, state=RAW,
)  # fmt: skip
def picture_missing(bench: Bench) -> Run:
    return prepared(bench, "bee.jpg 309\nkoala.jpg 105\npanda.jpg 388\n")


@case(
    "A model with a wrong signature", "A model of one's own takes other inputs than the workload gives.",
    "<folder>/mine.onnx does not fit the workload bert: ", "input_ids", "fix: export the model with that signature",
    status=2,
)  # fmt: skip
def wrong_signature(bench: Bench) -> Run:
    from onnx import TensorProto, helper, save  # noqa: PLC0415  slow to import

    wrong = helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, 384])
    out = helper.make_tensor_value_info("logits", TensorProto.INT64, [1, 384])
    node = helper.make_node("Identity", ["tokens"], ["logits"])
    graph = helper.make_graph([node], "wrong", [wrong], [out])
    path = bench.path / "mine.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return bench.run(f"cache import mine --workload bert --path {path}")


@case(
    "A model that is none", "The file is a web page that was saved under the model's name.",
    "<folder>/mine.onnx is not an ONNX model: ", "fix: name a file written by an exporter", status=2,
)  # fmt: skip
def no_model(bench: Bench) -> Run:
    return bench.run(f"cache import mine --path {bench.write(b'<html>Log in</html>', 'mine.onnx')}")


# Disks and stores.


def on_a_small_disk(bench: Bench, words: str, size: str) -> Run:
    """Run a command with a store that is a file system of its own; the store's content survives in the case's."""
    bench.store.mkdir(exist_ok=True)
    store, keep = shlex.quote(str(bench.store)), shlex.quote(str(bench.path / "kept"))
    script = f"mount -t tmpfs -o size={size} none {store} && {shlex.quote(LOADFLEET)} {words}; s=$?; " \
        f"cp -a {store} {keep}; exit $s"  # fmt: skip
    run = bench.run(words, around=["unshare", "-rm", "sh", "-c", script])
    bench.store.rmdir()
    (bench.path / "kept").rename(bench.store)
    return run


@case(
    "A disk that is too small", "The data set has 6.7 GB, the disk 80 MB.",
    "<store> has 83.9 MB free, 6,808.0 MB are needed: 6,744.0 MB for dataset photos, and 64.0 MB for everybody else; "
    "nothing in it can be removed", status=3, then="Nothing was asked of the server.",
)  # fmt: skip
def small_disk(bench: Bench) -> tuple[Run, Callable[[], None]]:
    bench.declare(bench.serve(PHOTOS), size=6_744_000_000)
    run = on_a_small_disk(bench, "cache ensure dataset photos", "80m")

    def proof() -> None:
        assert bench.server.seen == []

    return run, proof


@case(
    "A disk that gets full while an archive is unpacked", "Nobody knew how much is in it.",
    "the store <store> cannot be used: ", "No space left on device fix: free space", status=3, state=GOOD,
)  # fmt: skip
def full_disk(bench: Bench) -> Run:
    archive = gzip.compress(tar_of({"1.jpg": bytes(90_000_000)}), mtime=0)
    bench.unpacking(archive, bytes=10**9)
    return on_a_small_disk(bench, "cache ensure dataset unpacked", "80m")


@case(
    "A quota that is too small", "`store_quota: 3MB`, and another data set is in the store.",
    "store_quota lets <store> have 3.0 MB: 2.6 MB are used, 1.0 MB are needed for dataset labels; unused for longest: "
    "dataset photos, 2.6 MB, last used ", "fix: `loadfleet cache rm dataset photos` (or `--older-than 30d`)", status=3,
    state=GOOD,
)  # fmt: skip
def quota(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS))
    assert bench.ensure().status == 0
    bench.declare(bench.serve(PHOTOS, "labels"), name="labels", size=1_000_000)
    return bench.ensure("labels --quota 3MB")


@case(
    "A quota that is none", "The size was written in words.",
    "store_quota is 'plenty', which is no size fix: write it as 200GB, 1.5TB or 500GiB", status=2,
)  # fmt: skip
def no_quota(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS))
    return bench.ensure("photos --quota plenty")


@case(
    "A store that may not be written", "The store's folder belongs to somebody else.",
    "the store <store> cannot be used: ", "Permission denied fix: make the folder writable for this user", status=3,
)  # fmt: skip
def read_only(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS))
    bench.store.mkdir()
    bench.store.chmod(0o555)
    try:
        return bench.ensure(around=POWERLESS)
    finally:
        bench.store.chmod(0o755)


@case(
    "A file where the store should be", "The path of the store is a file's.",
    "the store <folder>/notes.txt cannot be used: ", "Not a directory fix: choose another store_path", status=3,
)  # fmt: skip
def store_is_a_file(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS))
    return bench.ensure(f"photos --store {bench.write(b'', 'notes.txt')}")


@case(
    "A shared store that is not mounted", "The folder of `store_shared_path` is not there.",
    "dataset photos: the shared store <folder>/net is not used: it is no folder", "ready, 2.6 MB", status=0, state=GOOD,
)  # fmt: skip
def shared_absent(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS))
    return bench.ensure(f"photos --shared-store {bench.path}/net")


@case(
    "A damaged entry in a shared store", "Somebody edited a file in the store that all hosts use.",
    "files of <folder>/net/artifacts/dataset/photos-", "look changed since they were verified; hashing them",
    "photos.tar has sha256", "; not used", "ready, 2.6 MB", status=0, state=GOOD,
    then="Nothing was written to the shared store; its owner mends it with `loadfleet cache ensure` there.",
)  # fmt: skip
def shared_damaged(bench: Bench) -> tuple[Run, Callable[[], None]]:
    bench.declare(bench.serve(PHOTOS))
    bench.ensure(f"photos --store {bench.path}/net")
    (file,) = (bench.path / "net").rglob("photos.tar")
    file.chmod(0o644)
    file.write_bytes(b"edited")
    run = bench.ensure(f"photos --shared-store {bench.path}/net")

    def proof() -> None:
        assert file.read_bytes() == b"edited"

    return run, proof


# Entries.


@case(
    "An entry that was edited by hand", "A byte of a file in the store was changed with an editor.",
    "dataset photos: files look changed since they were verified; hashing them", "photos.tar has sha256",
    "making it again", "ready, 2.6 MB", status=0, state=GOOD,
)  # fmt: skip
def edited(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS))
    bench.ensure()
    file = bench.entry() / "photos.tar"
    file.chmod(0o644)
    file.write_bytes(b"X" + PHOTOS[1:])
    return bench.ensure()


@case(
    "An entry whose disk lost a bit", "A byte has changed and neither size nor time of the file.",
    "dataset photos: photos.tar has sha256", "1 of 1 entries are damaged: dataset photos", status=1,
    state="In the store: dataset photos (damaged).",
    then="`loadfleet cache ensure dataset photos` brings it again.",
)  # fmt: skip
def rotten(bench: Bench) -> tuple[Run, Callable[[], None]]:
    bench.declare(bench.serve(PHOTOS))
    bench.ensure()
    file = bench.entry() / "photos.tar"
    before = file.stat()
    file.chmod(0o644)
    file.write_bytes(b"X" + PHOTOS[1:])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    run = bench.run("cache verify")

    def mended() -> None:
        assert bench.ensure().status == 0
        assert bench.state() == GOOD

    return run, mended


@case(
    "An entry without its description", "`entry.json` of an entry is cut off.", "ready, 2.6 MB", status=0, state=GOOD,
)  # fmt: skip
def no_description(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS))
    bench.ensure()
    (bench.entry() / "entry.json").write_text('{"schema_version": 1, "kind"')
    return bench.ensure()


@case(
    "Two downloads of one file at a time", "The same command runs in another shell.",
    "waiting for another process that has the lock of dataset-photos-", status=0, state=GOOD,
    then="The file was downloaded once.",
)  # fmt: skip
def two_at_a_time(bench: Bench) -> tuple[Run, Callable[[], None]]:
    bench.declare(bench.serve(PHOTOS))
    asked, go_on = bench.hold()
    first = bench.start()
    assert asked.wait(20)
    second = bench.start()
    assert second.stdout is not None
    said = second.stdout.readline()  # that it waits
    go_on.set()
    rest, _ = second.communicate(timeout=20)
    first.communicate(timeout=20)

    def proof() -> None:
        assert first.returncode == 0
        assert len(bench.server.seen) == 1

    return Run("loadfleet cache ensure dataset photos", second.returncode, (said + rest).strip()), proof


@case(
    "A process that is killed while it downloads", "The first attempt was killed by `kill -9`; this is the second.",
    "photos.tar: asking url", "ready, 2.6 MB", status=0, state=GOOD,
    then="No lock was left, and only the missing half was asked for.",
)  # fmt: skip
def killed(bench: Bench) -> tuple[Run, Callable[[], None]]:
    bench.declare(bench.serve(PHOTOS))
    bench.server.fields["/photos.tar"] = {"ETag": '"1"'}
    asked, go_on = bench.hold(half=True)
    first = bench.start()
    assert asked.wait(20)
    for _ in waiting():
        if sum(path.stat().st_size for path in (bench.store / "downloads").glob("*.part")) > 0:
            break
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=20)
    go_on.set()
    assert bench.hidden() != [], "what it had begun"
    run = bench.ensure()

    def proof() -> None:
        assert (bench.server.seen[-1][1] or "").startswith("bytes=")

    return run, proof


@case(
    "Removing what is pinned", "The entry was pinned with `loadfleet cache pin photos`.",
    "keep dataset photos: pinned", "nothing to remove: dataset photos is pinned fix: ", "--even-pinned", status=2,
    state=GOOD,
)  # fmt: skip
def pinned(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS))
    bench.ensure("photos --pin")
    return bench.run("cache rm photos --yes")


# The catalogue.


@case(
    "Two data sets that need each other", "Each of two catalogue entries `requires` the other.",
    "the catalogue goes in a circle: dataset a needs dataset b needs dataset a fix: remove one of the `requires`",
    status=2,
)  # fmt: skip
def circle(bench: Bench) -> Run:
    for name, other in (("a", "b"), ("b", "a")):
        requires = [{"kind": "dataset", "name": other}]
        build = {"entry_point": BUILD, "version": 1, "requires": requires, "parameters": {"archive": "x/x"}}
        bench.catalogue(name, {"build": build, "files": [{"name": "x"}]})
    return bench.ensure("a")


@case(
    "A preparation that does not exist", "The catalogue names a function that nobody wrote.",
    "is built by photos.prepare:build, which cannot be imported: No module named 'photos'", status=3,
)  # fmt: skip
def no_function(bench: Bench) -> Run:
    build = {"entry_point": "photos.prepare:build", "version": 1}
    bench.catalogue("photos", {"build": build, "files": [{"name": "x.npy"}]})
    return bench.ensure()


@case(
    "A catalogue entry with a mistake", "A SHA-256 has a letter too few.",
    "<folder>/catalogue/datasets/photos.yml: ", "sha256", status=2,
)  # fmt: skip
def bad_catalogue(bench: Bench) -> Run:
    bench.declare(bench.serve(PHOTOS), sha256=sha256(PHOTOS)[1:])
    return bench.ensure()
