import errno
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SeamlineError, StoreError
from pipeline.files import address
from pipeline.files.store import DamagedResult, Store, canonical_json, stage_key
from tests.servers import s3_server

KEY = stage_key("masks", 1, {"threshold": 0.3}, ["a"])
names = st.text("ab,[]\"' ", max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def shuffled(value):
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


@given(values)
def test_a_key_does_not_depend_on_the_order_of_names(recipe):
    key = stage_key("masks", 1, recipe, ["x"])
    assert key == stage_key("masks", 1, shuffled(recipe), ["x"])
    assert len(key) == 64
    assert set(key) <= set("0123456789abcdef")


@given(st.lists(names, max_size=4), st.lists(names, max_size=4), names, names)
def test_other_inputs_or_stage_or_fingerprint_give_another_key(some, others, stage, fingerprint):
    key = stage_key(stage, 1, {}, some, fingerprint)
    assert (key == stage_key(stage, 1, {}, others, fingerprint)) == (some == others)
    assert key != stage_key(stage, 2, {}, some, fingerprint)
    assert key != stage_key(stage + "x", 1, {}, some, fingerprint)
    assert key != stage_key(stage, 1, {}, some, fingerprint + "x")
    assert key != stage_key(stage, 1, {}, [*some, ""], fingerprint)


@given(values, values)
def test_other_recipes_give_other_keys(one, other):
    if repr(one) != repr(other) and one != other:
        assert stage_key("s", 1, one) != stage_key("s", 1, other)


def test_the_key_of_today_is_the_key_of_tomorrow():
    # A change here makes every stored result worthless: raise a stage's version instead.
    assert stage_key("masks", 1, {"b": 0.1, "a": [1, None, "ü"]}, ["x"], "f").startswith("80f93bc9b08db75320bc998f")
    assert canonical_json({"b": 0.1, "a": [1, None, "ü"]}) == '{"a":[1,null,"\\u00fc"],"b":0.1}'


@pytest.mark.parametrize("recipe", [{"a": float("nan")}, {"a": float("inf")}, {1: 2}, {"a": [{2: 1}]}, {"a": {1, 2}}])
def test_what_is_not_json_has_no_key(recipe):
    with pytest.raises(SeamlineError, match="stage masks"):
        stage_key("masks", 1, recipe)


def test_one_text_is_not_a_list_of_inputs():
    with pytest.raises(SeamlineError, match="list"):
        stage_key("masks", 1, {}, "abc")


@pytest.fixture(scope="module")
def s3():
    with s3_server() as server:
        yield server


@pytest.fixture(params=["local", "memory", "s3"])
def store(request, tmp_path):
    if request.param == "local":
        return Store(tmp_path / "store")
    if request.param == "memory":
        return Store(f"memory://{tmp_path.name}")
    s3 = request.getfixturevalue("s3")
    return Store(f"{s3.address}/{tmp_path.name}", s3.storage_options)


def files_of(store):
    return {file.name: file for _, files in store.folders() for file in files}


def overwrite(store, name, data):
    fs, _ = address.locate(store.address, store.storage_options)
    fs.pipe_file(files_of(store)[name].path, data)


def payload_name(store):
    return next(name for name in files_of(store) if name.endswith("mask.png"))


def test_a_result_is_read_back(store):
    assert store.get(KEY) is None
    assert not store.has(KEY)
    written = store.put(KEY, {"mask.png": b"m" * 1000, "empty": b""}, {"confidence": 0.5, "b": [None]})
    found = store.get(KEY)
    assert found == written
    assert found.names == ("empty", "mask.png")
    assert found.read("mask.png") == b"m" * 1000
    assert found.read("empty") == b""
    assert found.meta == {"confidence": 0.5, "b": [None]}
    assert found.size == 1000
    assert store.has(KEY)
    assert [key for key, _ in store.folders()] == [KEY]
    with pytest.raises(StoreError, match="it has empty"):
        found.read("other")


def test_a_second_put_replaces_the_first(store):
    store.put(KEY, {"mask.png": b"old"}, 1)
    store.put(KEY, {"mask.png": b"new"}, 2)
    assert store.get(KEY).read("mask.png") == b"new"
    assert store.get(KEY).meta == 2


def test_a_removed_result_is_gone(store):
    store.put(KEY, {"mask.png": b"old"})
    store.remove(KEY)
    store.remove(KEY)
    assert store.get(KEY) is None
    assert files_of(store) == {}


@pytest.mark.parametrize("wrong", [b"", b"M" * 1000, b"m" * 999, b"m" * 999 + b"x"])
def test_other_bytes_than_were_written_count_as_absent_and_are_removed(store, wrong, caplog):
    store.put(KEY, {"mask.png": b"m" * 1000})
    overwrite(store, payload_name(store), wrong)
    assert store.get(KEY) is None
    assert "damaged" in caplog.text
    assert files_of(store) == {}
    store.put(KEY, {"mask.png": b"m" * 1000})
    assert store.get(KEY).read("mask.png") == b"m" * 1000


def test_a_missing_file_counts_as_absent(store):
    for verify in (True, False):
        store.put(KEY, {"mask.png": b"m" * 1000})
        store.remove_files([files_of(store)[payload_name(store)]])
        assert store.get(KEY, verify=verify) is None
        assert files_of(store) == {}


def test_a_cut_off_file_is_seen_without_reading_it(store):
    store.put(KEY, {"mask.png": b"m" * 1000})
    overwrite(store, payload_name(store), b"m" * 999)
    assert not store.has(KEY)


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b"{}", b"null", b"\xff\x00", "other key", "meta"])
def test_a_broken_manifest_counts_as_absent(store, broken):
    store.put(KEY, {"mask.png": b"m"}, {"confidence": 0.5})
    other = stage_key("other", 1, {})
    if broken == "other key":
        store.put(other, {"mask.png": b"m"})
        fs, _ = address.locate(store.address, store.storage_options)
        broken = fs.cat_file(next(f.path for k, fs_ in store.folders() if k == other for f in fs_ if "manif" in f.name))
        store.remove(other)
    elif broken == "meta":
        fs, _ = address.locate(store.address, store.storage_options)
        broken = fs.cat_file(files_of(store)["manifest.json"].path).replace(b"0.5", b"0.9")
    overwrite(store, "manifest.json", broken)
    assert store.get(KEY) is None
    assert files_of(store) == {}


def test_reading_a_result_that_was_damaged_since_says_so(store):
    store.put(KEY, {"mask.png": b"m" * 10})
    result = store.get(KEY, verify=False)
    overwrite(store, payload_name(store), b"x" * 10)
    with pytest.raises(DamagedResult, match="run again"):
        result.read("mask.png")
    assert store.get(KEY) is None


@pytest.mark.parametrize("name", ["../mask.png", "a/b", "", ".hidden", "manifest.json", "ä"])
def test_names_are_plain(tmp_path, name):
    with pytest.raises(StoreError, match="cannot be a result's file"):
        Store(tmp_path).put(KEY, {name: b""})


@pytest.mark.parametrize("key", ["", "ab", "../" * 20, KEY.upper(), KEY + "\n"])
def test_keys_are_keys(tmp_path, key):
    with pytest.raises(StoreError, match="not a result's key"):
        Store(tmp_path).get(key)


def test_a_store_travels_to_other_processes(store):
    store.put(KEY, {"mask.png": b"m"})
    assert pickle.loads(pickle.dumps(store)).get(KEY).read("mask.png") == b"m"


def test_its_text_shows_no_credentials():
    assert "hush" not in repr(Store("memory://x", {"secret": "hush"}))


def test_use_is_noted(tmp_path):
    store = Store(tmp_path)
    store.put(KEY, {"mask.png": b"m"})
    manifest = files_of(store)["manifest.json"].path
    os.utime(manifest, (1e9, 1e9))
    store.has(KEY)
    assert files_of(store)["manifest.json"].used_s > time.time() - 60


def test_nothing_is_left_beside_the_result(tmp_path):
    Store(tmp_path).put(KEY, {"mask.png": b"m"})
    assert sorted(path.name[-8:] for path in tmp_path.rglob("*") if path.is_file()) == ["est.json", "mask.png"]


def test_unknown_protocols_and_unreachable_endpoints_are_store_errors():
    with pytest.raises(StoreError, match="cannot be opened"):
        Store("nonsense://x")
    options = {"key": "k", "secret": "s", "client_kwargs": {"endpoint_url": "http://127.0.0.1:9"}}
    options["config_kwargs"] = {"retries": {"max_attempts": 0}, "connect_timeout": 1}
    with pytest.raises(StoreError, match="could not be read"):
        Store("s3://nowhere", options).get(KEY)


def test_a_bucket_that_is_not_there_is_named(s3):
    with pytest.raises(StoreError, match="missing-bucket"):
        Store("s3://missing-bucket", s3.storage_options).put(KEY, {"a": b"x"})


def put_many(folder, number, start):
    start.wait()
    store = Store(folder)
    for turn in range(40):
        store.put(KEY, {"mask.png": f"{number} {turn}".encode() * 100, "same": b"same"}, {"by": number})
        found = store.get(KEY)
        assert found is not None
        assert found.read("mask.png").startswith(str(found.meta["by"]).encode())


def test_processes_that_write_one_key_at_once_are_all_right(tmp_path):
    # Not forked: a child would inherit the event loop and the locks of the S3 client that other tests have used.
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    writers = [context.Process(target=put_many, args=(tmp_path, number, start)) for number in range(3)]
    for writer in writers:
        writer.start()
    start.set()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert Store(tmp_path).get(KEY) is not None


FILL = """
import resource, signal, sys
from pipeline.errors import StoreError
from pipeline.files.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    Store(sys.argv[1]).put(sys.argv[2], {"small": b"s", "mask.png": b"m" * 100_000})
except StoreError as error:
    print(error)
"""


def test_a_full_disk_leaves_nothing_and_says_what_to_do(tmp_path):
    done = subprocess.run([sys.executable, "-c", FILL, tmp_path, KEY], capture_output=True, text=True, check=True)
    assert "the disk is full" in done.stdout
    assert "seamline clean" in done.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert Store(tmp_path).get(KEY) is None


def test_a_full_file_system_keeps_the_older_result(tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    tmpfs = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(tmpfs, capture_output=True, check=False).returncode:
        pytest.skip("a small tmpfs can be mounted by root only")
    try:
        store = Store(mount)
        store.put(KEY, {"mask.png": b"old"}, "old")
        with pytest.raises(StoreError, match="the disk is full") as caught:
            store.put(KEY, {"mask.png": b"m" * 100_000}, "new")
        assert caught.value.__cause__.errno == errno.ENOSPC
        assert store.get(KEY).read("mask.png") == b"old"
        assert len(files_of(store)) == 2
    finally:
        subprocess.run(["umount", str(mount)], check=True)


DIE = """
import os, sys
from pipeline.files import address
from pipeline.files.store import Store
write, left = address.write_local, int(sys.argv[3])
def dying(target, data):
    global left
    if left == 0:
        target.with_name(address.TEMPORARY_PREFIX + "1-aa").write_bytes(data[:5])
        os.kill(os.getpid(), 9)
    left -= 1
    write(target, data)
import pipeline.files.store as store
store.write_local = dying
Store(sys.argv[1]).put(sys.argv[2], {"mask.png": b"m" * 100, "alpha.png": b"a" * 100})
"""


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_killed_writer_leaves_no_result(tmp_path, writes):
    done = subprocess.run([sys.executable, "-c", DIE, tmp_path, KEY, str(writes)], check=False)
    assert done.returncode == -9
    store = Store(tmp_path)
    assert store.get(KEY) is None
    store.put(KEY, {"mask.png": b"m"})
    assert store.get(KEY).read("mask.png") == b"m"


def test_files_are_written_and_streamed_to_any_address(store):
    target = address.join(store.address, "batch", "report.html")
    options = {"storage_options": store.storage_options}
    assert not address.exists(target, **options)
    address.write_file(target, b"one", **options)
    assert address.exists(target, **options)
    assert address.read_file(target, **options) == b"one"
    with address.write_stream(target, **options) as file:
        file.write(b"two ")
        file.write(b"three")
    assert address.read_file(target, **options) == b"two three"
    stream = address.write_stream(target, **options)
    stream.__enter__().write(b"half")
    assert not stream.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert address.read_file(target, **options) == b"two three"
    with pytest.raises(StoreError, match="there is no such file"):
        address.read_file(target + "x", **options)


def test_a_file_in_place_of_a_folder_is_a_store_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="could not be written"):
        Store(tmp_path / "file").put(KEY, {"a": b"x"})


def test_local_addresses_are_known(tmp_path):
    assert address.is_local(str(tmp_path))
    assert address.is_local(f"file://{tmp_path}")
    assert not address.is_local("s3://bucket/x")
    assert address.local_path(f"file://{tmp_path}") == Path(tmp_path)
    with pytest.raises(StoreError, match="local disk"):
        address.local_path("s3://bucket/x")
