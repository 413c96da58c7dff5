"""Own data with every defect, written for the tests: by kind and defect, and what is said of it."""

import shutil

import numpy as np
from own_data import CLASSES, made_images, write_npz
from PIL import Image
from test_own_events import CLIPS, write_folders, write_recording
from test_own_folder import write_folder
from test_own_idx import idx_bytes, write_idx
from test_own_tonic import write_gestures, write_nmnist

IMAGES, LABELS = made_images()
FLOATS = (IMAGES / 255.0).astype(np.float32)
TEXT = {"clips": CLIPS, "time_unit": "us"}


def spoilt(images, number, value):
    images = images.copy()
    images[number, 0, 0] = value
    return images


def npz(**changes):
    return lambda path: {"data_dir": write_npz(path / "mine.npz", **changes)}


def truncated(file, keep=0.5):
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])


def spoil_npz(path):
    truncated(write_npz(path / "mine.npz"))
    return {"data_dir": path / "mine.npz"}


def idx(*, count=3, cut=None, **options):
    """Write images of so many classes, one file cut short."""

    def write(path):
        folder = write_idx(path / "mine", classes=count)
        if cut:
            truncated(folder / cut)
        return {"data_dir": folder, **options}

    return write


def idx_twice(count):
    """Write an image twice, and one of another label, in the training part."""

    def write(path):
        folder = write_idx(path / "mine", classes=count)
        images = made_images()[0][:40, ..., 0]
        images[5] = images[4]
        (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(images))
        return {"data_dir": folder}

    return write


def folder(change, **options):
    """Write images in three folders, then change something; parts by `train` and `test`."""

    def write(path):
        parts = (lambda n: ("train", "test")[n % 2]) if "subjects" in options else None
        root = write_folder(path / "mine", parts=parts)
        change(root)
        return {"data_dir": root, "size": 12, **options}

    return write


def events(change, **options):
    def write(path):
        root = write_folders(path / "mine")
        change(root)
        return {"data_dir": root, **TEXT, **options}

    return write


def tonic(change, name="NMNIST", write=write_nmnist):
    def make(path):
        change(write(path))
        return {"data_dir": path, "set_name": name, "clips": CLIPS}

    return make


def keep_one_class(root):
    for name in CLASSES[1:]:
        shutil.rmtree(root / name)


def float_image(value):
    values = np.full((12, 12), 0.5, np.float32)
    values[3, 3] = value
    return lambda root: Image.fromarray(values).save(root / "dots" / "odd.tif")


def events_with(line, count):
    """Add a recording of which so many lines are unsound."""

    def change(root):
        file = write_recording(root / "dots" / "odd.txt", 1, 99)
        file.write_text(file.read_text() + f"{line}\n" * count)

    return change


def odd_file(*places):
    """Add a file that is no image to folders."""

    def change(root):
        for place in places:
            (root / place / "odd.png").write_bytes(b"no image")

    return change


def copy(source, target):
    return lambda root: shutil.copy(root / source, root / target)


def parts_and_people(root):
    """Sort recordings into train and test, those of p0 into both."""
    for number, file in enumerate(sorted(root.glob("*/*.txt"))):
        place = root / ("test" if number % 3 == 0 else "train") / file.parent.name
        place.mkdir(parents=True, exist_ok=True)
        file.rename(place / f"p{number // 4}_{file.name}")


def user_in_both(root):
    folder = root / "DVSGesture" / "ibmGestureTrain"
    (folder / "user02_led").rename(folder / "user24_natural")


def odd_digit(content):
    return lambda root: (root / "NMNIST" / "Train" / "3" / "99999.bin").write_bytes(content)


def only_one_digit(root):
    for part in ("Train", "Test"):
        for digit in range(1, 10):
            shutil.rmtree(root / "NMNIST" / part / str(digit))


SPLIT = np.array(["train"] * 40 + ["test"] * 20)
PEOPLE = np.arange(60) // 6
TWICE = IMAGES.copy()
TWICE[4] = TWICE[1]
OUTSIDE = bytes([200, 3, 0, 0, 9])  # an event at column 200 of 34
MORE = [*CLASSES, "x"]
# By kind and defect: how the data are written, and what is said. All of these end loading.
FATAL = {
    ("npz", "NaN"): (npz(images=spoilt(FLOATS, 7, np.nan)), "mine.npz: images 7 hold NaN"),
    ("npz", "range"): (npz(images=FLOATS * 255), "mine.npz: images 0, 1"),
    ("npz", "empty class"): (npz(classes=np.array(MORE)), "no samples of class x"),
    ("npz", "one class"): (npz(labels=LABELS * 0, classes=None), "one class only, 0: give at"),
    ("npz", "person"): (npz(split=SPLIT, subject=PEOPLE), "subject 6 is in train and in test: put"),
    ("npz", "unreadable"): (spoil_npz, "mine.npz cannot be read"),
    ("idx", "range"): (idx(classes=("a", "b")), "mine: labels must be from 0 to 1"),
    ("idx", "empty class"): (idx(classes=MORE), "no samples of class x"),
    ("idx", "one class"): (idx(count=1), "one class only, 0: give at least two"),
    ("idx", "unreadable"): (idx(cut="train-images-idx3-ubyte"), "idx3-ubyte is truncated: "),
    ("mnist", "range"): (idx(count=11), "mine: labels must be from 0 to 9"),
    ("mnist", "empty class"): (idx(), "no samples of class 3, 4"),
    ("mnist", "one class"): (idx(count=1), "no samples of class 1, 2"),
    ("mnist", "unreadable"): (idx(cut="t10k-labels-idx1-ubyte"), "idx1-ubyte is truncated: "),
    ("folder", "empty class"): (folder(lambda root: (root / "x").mkdir()), "no samples of class x"),
    ("folder", "one class"): (folder(keep_one_class), "one class only, bars: give at least"),
    ("folder", "person"): (
        folder(lambda root: None, subjects="([0-9])[0-9].png"),
        "subject 0 is in train and in test: put all",
    ),
    ("events", "empty class"): (events(lambda root: (root / "x").mkdir()), "no samples of class x"),
    ("events", "one class"): (events(keep_one_class), "one class only, bars: give at least"),
    ("events", "person"): (
        events(parts_and_people, subjects="p[0-9]+"),
        "subject p0 is in train and in test: put all",
    ),
    ("tonic", "empty class"): (tonic(only_one_digit), "no samples of class 1 - digit, 2 - digit"),
    ("tonic", "person"): (
        tonic(user_in_both, "DVSGesture", write_gestures),
        "subject 24 is in train and in test: put all",
    ),
}
# After these the rest is loaded: the problem, and how many samples or sequences are left.
TOLD = {
    ("npz", "twice"): (npz(images=TWICE), "1 images are equal to earlier ones: samples 4", 59),
    ("idx", "twice"): (idx_twice(3), "1 images are equal to earlier ones: samples 5", 60),
    ("mnist", "twice"): (idx_twice(10), "1 images are equal to earlier ones: samples 5", 60),
    ("folder", "NaN"): (folder(float_image(np.nan)), "dots/odd.tif has NaN", 60),
    ("folder", "range"): (folder(float_image(7)), "odd.tif has pixels from 0.5 to 7: scale", 60),
    ("folder", "twice"): (
        folder(copy("dots/01.png", "bars/odd.png")),
        "dots/01.png is the same file as ",
        60,
    ),
    ("folder", "unreadable"): (
        folder(odd_file("dots")),
        "dots/odd.png cannot be read",
        60,
    ),
    ("events", "NaN"): (events(events_with("nan 3 3 1", 9)), "dots/odd.txt", 18),
    ("events", "few NaN"): (events(events_with("nan 3 3 1", 1)), "dropped 1 of 301 events", 19),
    ("events", "range"): (events(events_with("5 -1 3 1", 9)), "dots/odd.txt", 18),
    ("events", "twice"): (
        events(copy("dots/1.txt", "bars/odd.txt")),
        "dots/1.txt is the same file as ",
        18,
    ),
    ("events", "unreadable"): (
        events(lambda root: (root / "dots" / "odd.txt").write_bytes(b"\x00\xff")),
        "dots/odd.txt",
        18,
    ),
    ("tonic", "range"): (tonic(odd_digit(OUTSIDE)), "NMNIST train[", 60),
    ("tonic", "unreadable"): (tonic(odd_digit(b"123")), "NMNIST train[", 60),
    ("tonic", "twice"): (
        tonic(
            lambda root: shutil.copy(
                root / "NMNIST/Train/2/00002.bin", root / "NMNIST/Train/2/99999.bin"
            )
        ),
        "it is the same recording as NMNIST train[",
        60,
    ),
}
