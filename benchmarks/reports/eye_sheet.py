"""Pictures of the simulated eye for the docs: `python -m benchmarks.reports.eye_sheet`.

A contact sheet (each light, each emotion; intensity above, events below) and a GIF per emotion.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from rich.markup import escape

from ttfs_jax.datasets.events.columns import LARGEST_EDGE
from ttfs_jax.datasets.eye.face import LIGHTS
from ttfs_jax.datasets.eye.frames import to_levels
from ttfs_jax.datasets.eye.motion import EMOTIONS
from ttfs_jax.datasets.eye.plan import LONGEST, Take
from ttfs_jax.datasets.eye.simulated import record
from ttfs_jax.datasets.eye.simulator import FRAMES_PER_SECOND, Recording
from ttfs_jax.support.command import run_command
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import check_seed, check_whole

CAPTION = "simulated eye data"


@dataclass(frozen=True)
class EyeSheetArguments:
    """Draw simulated eyes: one contact sheet, and one GIF per emotion."""

    out: Path = Path("docs/figures")
    """Folder of the pictures."""
    seed: int = 0
    """Seed of the people and takes."""
    size: int = 90
    """Edge of the frames in pixels."""
    frames: int = 30
    """Frames of a GIF."""
    json: bool = False
    """Print one JSON line."""


def take_of(subject: int, emotion: str, light: str, length: int) -> Take:
    """Describe a take outside any plan.

    Person `subject` shows an `emotion` in a `light` for a `length` in frames.
    """
    return Take(f"sheet_{emotion}_{light}", subject, emotion, light, length, True)


def liveliest(recording: Recording) -> int:
    """Choose the frame of a `recording` with the most events."""
    return int(np.count_nonzero(recording.events, axis=(1, 2)).argmax())


def draw_sheet(columns: dict[str, Recording]) -> Figure:
    """Draw the liveliest frame of each recording: intensity above, events below.

    `columns` are recordings by their titles.
    """
    figure = Figure(figsize=(1.3 * len(columns), 3.1), layout="constrained")
    figure.suptitle(CAPTION, fontsize=10)
    axes = figure.subplots(2, len(columns))
    for (name, recording), (upper, lower) in zip(columns.items(), axes.T, strict=True):
        frame = liveliest(recording)
        for axis, image in ((upper, recording.light), (lower, to_levels(recording.events))):
            axis.imshow(image[frame], cmap="gray", vmin=0, vmax=255)
            axis.set_axis_off()
        upper.set_title(name, fontsize=8)
    return figure


def write_gif(path: Path, recording: Recording, *, scale: int = 2) -> None:
    """Write intensity and events of a `recording` side by side at 30 frames per second.

    The caption is in every picture; `path` ends in .gif, `scale` is the edge of a pixel in the
    picture.
    """
    pictures = []
    for light, events in zip(recording.light, to_levels(recording.events), strict=True):
        both = Image.fromarray(np.concatenate([light, events], 1))
        picture = both.resize((scale * both.width, scale * both.height), Image.Resampling.NEAREST)
        ImageDraw.Draw(picture).text((4, 2), CAPTION, fill=255)
        pictures.append(picture)
    milliseconds = round(1000 / FRAMES_PER_SECOND)
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)


def draw_eyes(arguments: EyeSheetArguments) -> dict:
    """Draw by the `arguments`: folder and number of pictures, JSON values.

    Raises: InputError for options out of their range, or a folder that cannot be written.
    """
    check_whole("--frames", arguments.frames, 1, LONGEST)
    check_whole("--size", arguments.size, 1, LARGEST_EDGE)
    check_seed("--seed", arguments.seed)

    def simulated(number, emotion, light):
        planned = take_of(number + 1, emotion, light, arguments.frames)
        return record(planned, number, seed=arguments.seed, size=arguments.size)

    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        lights = {light: simulated(n, "surprise", light) for n, light in enumerate(LIGHTS)}
        emotions = {
            emotion: simulated(len(LIGHTS) + n, emotion, "normal")
            for n, emotion in enumerate(EMOTIONS)
        }
        draw_sheet(lights | emotions).savefig(arguments.out / "eye_sheet.png", dpi=120)
        for emotion, recording in emotions.items():
            write_gif(arguments.out / f"eye_{emotion}.gif", recording)
    except OSError as error:
        raise InputError(
            f"cannot write {arguments.out} ({error.strerror or error}): choose another --out"
        ) from error
    return {"out": str(arguments.out), "gifs": len(emotions)}


def sheet_message(result: dict) -> str:
    """Report what was drawn, from the `result` of `draw_eyes`."""
    return escape(f"eye_sheet.png and {result['gifs']} GIFs of {CAPTION} in {result['out']}")


def main(arguments: list[str] | None = None) -> None:
    """Draw everything and report where; `arguments` replace those of the command line."""
    run_command(
        "benchmarks.reports.eye_sheet", EyeSheetArguments, draw_eyes, sheet_message, arguments
    )


if __name__ == "__main__":
    main()
