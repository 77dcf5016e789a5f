"""MP4 in and out with PyAV: encode frame by frame, join files without encoding again, decode a stretch or stream.

No B-frames, so that packets are in display order and joining is a change of time stamps only.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError

# A short group of pictures makes random access cheap; crf 18 is near the error of 4:2:0 colour alone.
# Without the look-ahead: with it the same frames gave other bytes in one run of four, and recordings must be repeatable.
ENCODER = {"crf": "18", "preset": "veryfast", "g": "8", "bf": "0", "x264-params": "mbtree=0:rc-lookahead=0"}


class VideoWriter:
    """Writes uint8 H W 3 RGB frames, one every 1/fps seconds, as H.264 yuv420p; both sides must be even."""

    def __init__(self, path: Path, fps: int, width: int, height: int) -> None:
        import av

        if width % 2 or height % 2:
            raise UserError(f"a video of {width}x{height} pixels cannot be written; make both sides even")
        self._file = av.open(str(path), "w", format="mp4")
        self._stream: Any = self._file.add_stream("libx264", rate=fps, options=dict(ENCODER))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, fps)
        self._stream.codec_context.thread_count = 1  # episodes are parallel over processes already
        self._count = 0

    def add(self, image: NDArray[np.uint8]) -> None:
        import av

        frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, self._count = self._count, self._count + 1
        self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._file.mux(self._stream.encode(None))
        self._file.close()


def join(paths: Sequence[Path], out: Path, fps: int) -> None:
    """Copy the packets of all files, one after the other, into one MP4. All were written by VideoWriter alike."""
    import av

    with av.open(str(out), "w", format="mp4") as target:
        stream: Any = None
        at = 0
        for path in paths:
            with av.open(str(path)) as source:
                if stream is None:
                    stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
                for packet in source.demux(video=0):
                    if packet.dts is None:  # the flush packet that ends a stream
                        continue
                    packet.stream = stream
                    packet.time_base = Fraction(1, fps)
                    packet.pts = packet.dts = at
                    packet.duration = 1
                    at += 1
                    target.mux(packet)


def _rgb() -> Callable[[Any], Any]:
    """frame -> uint8 H W 3. One converter for all frames: PyAV else makes one for each, which takes longer than converting."""
    from av.video.reformatter import VideoReformatter

    converter = VideoReformatter()
    return lambda frame: converter.reformat(frame, format="rgb24").to_ndarray()


def decode(path: Path, start_s: float, count: int, fps: float) -> NDArray[np.uint8]:
    """`count` frames from the one due at start_s on, uint8 (count, H, W, 3). UserError when some are missing."""
    import av
    from av.error import FFmpegError

    first = round(start_s * fps)
    frames, rgb = list[NDArray[np.uint8]](), _rgb()
    try:
        with av.open(str(path)) as source:
            stream: Any = source.streams.video[0]
            stream.codec_context.thread_count = 1
            source.seek(int(start_s / stream.time_base), stream=stream, backward=True)
            for frame in source.decode(stream):
                if round(float(frame.time or 0.0) * fps) >= first and len(frames) < count:
                    frames.append(rgb(frame))
                if len(frames) == count:
                    break
    except (OSError, FFmpegError, IndexError) as error:
        raise UserError(f"cannot decode {path} ({error}); record the dataset again or copy it whole") from None
    if len(frames) != count:
        raise UserError(f"{path} ends after {len(frames)} of {count} frames from {start_s:.2f} s; copy it whole")
    return np.stack(frames)


def animate(path: Path, out: Path, every: int = 2, shrink: int = 2) -> None:
    """The video at `path` as a GIF that loops: every `every`-th frame, sides divided by `shrink`."""
    import av
    from PIL import Image

    with av.open(str(path)) as source:
        rate = float(source.streams.video[0].average_rate or 10)
        frames = [frame.to_image() for k, frame in enumerate(source.decode(video=0)) if k % every == 0]
    small = [f.resize((f.width // shrink, f.height // shrink)).quantize(64, Image.Quantize.MEDIANCUT) for f in frames]
    small[0].save(out, save_all=True, append_images=small[1:], duration=round(1000 * every / rate), loop=0)


def decode_picture(data: bytes) -> NDArray[np.uint8]:
    """PNG or JPEG bytes -> uint8 H W 3."""
    import av

    with av.open(io.BytesIO(data), "r") as source:
        return _rgb()(next(source.decode(video=0)))


def moments(path: Path) -> Iterator[tuple[float, Callable[[], NDArray[np.uint8]]]]:
    """(time in the video, s; a function that gives the picture, uint8 H W 3) of every frame, one in memory at a time.

    UserError when the file cannot be read, or ends before the number of frames that its header promises."""
    import av
    from av.error import FFmpegError

    count, promised, rgb = 0, 0, _rgb()
    try:
        with av.open(str(path)) as source:
            if not source.streams.video:
                raise UserError(f"{path} holds no video; give a file with a picture track")
            stream: Any = source.streams.video[0]
            stream.codec_context.thread_count = 1
            promised = int(stream.frames)
            rate = float(stream.average_rate or 20)
            for frame in source.decode(stream):
                at_s = count / rate if frame.time is None else float(frame.time)
                yield at_s, lambda frame=frame: rgb(frame)
                count += 1
    except (OSError, FFmpegError, IndexError) as error:
        raise UserError(f"{path} breaks off after {count} frames ({error}); copy it whole or cut it there") from None
    if count < promised:
        raise UserError(f"{path} breaks off after {count} of {promised} frames; copy it whole or cut it there")


def measure(path: Path) -> tuple[int, int, float, float]:
    """(width, height, frames a second, seconds) of a video, from its header. UserError when it cannot be read."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as source:
            stream: Any = source.streams.video[0]
            rate = float(stream.average_rate or 20)
            seconds = float(stream.duration * stream.time_base) if stream.duration else stream.frames / rate
            return stream.width, stream.height, rate, seconds
    except (OSError, FFmpegError, IndexError) as error:
        raise UserError(f"cannot read the video {path} ({error}); it may be cut off: copy it whole") from None


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture file, decoding its header alone."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.size
    except OSError as error:
        raise UserError(f"cannot read the picture {path} ({error}); copy the drive whole") from None


def picture(path: Path) -> NDArray[np.uint8]:
    """uint8 H W 3 of a picture file, grey ones too."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise UserError(f"cannot read the picture {path} ({error}); copy the drive whole") from None
