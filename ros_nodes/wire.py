"""Messages <-> numpy: the only place that knows their fields. Nothing here needs a node."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration, Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Pose, PoseStamped, Twist, TwistStamped
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from embodied.errors import UserError
from embodied.geometry import Matrix
from embodied.spec import CameraSpec

UNKNOWN = 1e6  # variance of what an odometry does not know
_KINDS: dict[str, tuple[Any, int]] = {
    "rgb8": (np.uint8, 3), "bgr8": (np.uint8, 3), "rgba8": (np.uint8, 4), "bgra8": (np.uint8, 4), "mono8": (np.uint8, 1),
    "32FC1": (np.float32, 1), "16UC1": (np.uint16, 1),
}  # fmt: skip


def said(text: str) -> dict[str, Any]:
    """The JSON object that a String holds; an empty one when it holds none."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def seconds(stamp: Time | Duration) -> float:
    return stamp.sec + stamp.nanosec * 1e-9


def stamp(time_s: float) -> Time:
    whole = int(np.floor(time_s))
    return Time(sec=whole, nanosec=min(999_999_999, round((time_s - whole) * 1e9)))


def duration(time_s: float) -> Duration:
    at = stamp(time_s)
    return Duration(sec=at.sec, nanosec=at.nanosec)


def image_message(picture: NDArray[Any], frame: str, time_s: float) -> Image:
    """uint8 H W 3 RGB, or float32 H W in metres."""
    encoding = "rgb8" if picture.ndim == 3 else "32FC1"
    picture = np.ascontiguousarray(picture, np.uint8 if picture.ndim == 3 else np.float32)
    out = Image(height=picture.shape[0], width=picture.shape[1], encoding=encoding, step=picture.strides[0])
    out.header.frame_id, out.header.stamp = frame, stamp(time_s)
    out.data = picture.tobytes()  # an array would be copied number by number
    return out


def compressed_message(picture: NDArray[np.uint8], frame: str, time_s: float) -> CompressedImage:
    """uint8 H W 3 RGB as JPEG."""
    from PIL import Image as Pictures

    data = BytesIO()
    Pictures.fromarray(picture).save(data, "JPEG", quality=90)
    out = CompressedImage(format="jpeg", data=data.getvalue())
    out.header.frame_id, out.header.stamp = frame, stamp(time_s)
    return out


def picture(message: Image | CompressedImage) -> NDArray[Any]:
    """uint8 H W 3 RGB; of depth, float32 H W in metres, 0 where unknown. UserError for what cannot be read."""
    if isinstance(message, CompressedImage):
        return _decompressed(bytes(message.data), message.format)
    if message.encoding not in _KINDS:
        raise UserError(f"images of encoding {message.encoding!r} cannot be read; use {', '.join(_KINDS)}")
    kind, channels = _KINDS[message.encoding]
    size = np.dtype(kind).itemsize
    row = message.width * channels * size
    if message.step < row or len(message.data) < message.step * message.height or not row:
        raise UserError(f"an image of {message.width}x{message.height} has {len(message.data)} bytes; that is too few")
    data = np.frombuffer(bytes(message.data), np.uint8)[: message.step * message.height].reshape(message.height, -1)
    order = ">" if message.is_bigendian else "<"
    out = data[:, :row].copy().view(np.dtype(kind).newbyteorder(order)).astype(kind)
    if kind is np.uint8:
        out = out.reshape(message.height, message.width, channels)
        out = out[..., 2::-1] if message.encoding.startswith("bgr") else out[..., :3]
        return np.ascontiguousarray(np.repeat(out, 3, -1) if channels == 1 else out)
    depth = out * np.float32(0.001) if kind is np.uint16 else out
    return np.where(np.isfinite(depth), depth, 0).astype(np.float32)


def _decompressed(data: bytes, form: str) -> NDArray[np.uint8]:
    from av.error import FFmpegError

    from embodied.data.video import decode_picture

    try:
        return decode_picture(data)
    except (FFmpegError, StopIteration, OSError, ValueError, IndexError) as error:
        raise UserError(f"a compressed image of format {form!r} cannot be read ({error}); send JPEG or PNG") from None


def fit(picture: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """The same picture as embodied.geometry.fitted's camera shows it; depth is taken from the nearest pixel, never mixed."""
    have_y, have_x = picture.shape[:2]
    if (have_x, have_y) == (width, height):
        return picture
    scale = max(width / have_x, height / have_y)
    left, top = (have_x - width / scale) / 2, (have_y - height / scale) / 2
    if picture.ndim == 2:
        x, y = (((np.arange(n) + 0.5) / scale + at).astype(int) for n, at in ((width, left), (height, top)))
        return picture[np.ix_(np.clip(y, 0, have_y - 1), np.clip(x, 0, have_x - 1))]
    from PIL import Image as Pictures

    box = (left, top, left + width / scale, top + height / scale)
    return np.asarray(Pictures.fromarray(picture).resize((width, height), Pictures.Resampling.BILINEAR, box=box))


def check_camera(name: str, info: CameraInfo, pictures: Mapping[str, Any]) -> None:
    """UserError unless the CameraInfo is of a calibrated camera and of the pictures that came with it (kind -> message)."""
    fx, fy, cx, cy = (float(info.k[k]) for k in (0, 4, 2, 5))
    if not (fx > 0 and fy > 0 and 0 <= cx <= info.width and 0 <= cy <= info.height):
        raise UserError(
            f"camera/{name}/camera_info has fx={fx:.4g}, fy={fy:.4g}, cx={cx:.4g}, cy={cy:.4g}; calibrate it"
        )
    for kind, message in pictures.items():
        size = (message.width, message.height) if hasattr(message, "width") else picture(message).shape[1::-1]
        if size != (info.width, info.height):
            raise UserError(
                f"camera/{name}/{kind} is {size[0]}x{size[1]}, its camera_info says {info.width}x{info.height}; "
                "send both at one size"
            )
    if any(abs(float(d)) > 1e-6 for d in info.d) and not np.allclose(np.reshape(info.p, (3, 4))[:, :3], 0):
        k, p = np.reshape(info.k, (3, 3)), np.reshape(info.p, (3, 4))[:, :3]
        if not np.allclose(k, p, rtol=0.02):
            raise UserError(
                f"camera/{name} is distorted (d={[round(float(d), 4) for d in info.d]}); send rectified pictures"
            )


def mount(numbers: Sequence[float]) -> Matrix:
    """x y z (m) roll pitch yaw (rad, about fixed axes as in a URDF) -> 4 4."""
    x, y, z, roll, pitch, yaw = map(float, numbers)
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in (roll, pitch, yaw))
    out = np.eye(4)
    out[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    out[:3, 3] = x, y, z
    return out


def camera_message(spec: CameraSpec, frame: str, time_s: float) -> CameraInfo:
    out = CameraInfo(height=spec.height, width=spec.width, distortion_model="plumb_bob", d=[0.0] * 5)
    out.header.frame_id, out.header.stamp = frame, stamp(time_s)
    out.k = [spec.fx, 0.0, spec.cx, 0.0, spec.fy, spec.cy, 0.0, 0.0, 1.0]
    out.p = [spec.fx, 0.0, spec.cx, 0.0, 0.0, spec.fy, spec.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return out


def camera(message: CameraInfo, parent_from_cam: Matrix, parent: str, depth: bool) -> CameraSpec:
    fx, _, cx, _, fy, cy = map(float, message.k[:6])
    return CameraSpec(message.width, message.height, fx, fy, cx, cy, parent_from_cam, parent, depth)


def pose_message(matrix: Matrix) -> Pose:
    out = Pose()
    out.position.x, out.position.y, out.position.z = map(float, matrix[:3, 3])
    # The quaternion is the eigenvector of this matrix (Bar-Itzhack 2000), whatever the rotation.
    r = matrix[:3, :3]
    k = np.array([
        [r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[2, 0] + r[0, 2], r[2, 1] - r[1, 2]],
        [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2], r[0, 2] - r[2, 0]],
        [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
        [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
    ])  # fmt: skip
    x, y, z, w = np.linalg.eigh(k)[1][:, -1].tolist()
    out.orientation.x, out.orientation.y, out.orientation.z, out.orientation.w = x, y, z, w
    return out


def placed_message(matrix: Matrix, frame: str, time_s: float) -> PoseStamped:
    out = PoseStamped(pose=pose_message(matrix))
    out.header.frame_id, out.header.stamp = frame, stamp(time_s)
    return out


def matrix(message: Pose) -> Matrix:
    """4 4. UserError when the quaternion is none."""
    q = message.orientation
    x, y, z, w = values = np.array([q.x, q.y, q.z, q.w])
    if not abs(np.linalg.norm(values) - 1) < 0.01:
        raise UserError(f"the orientation {values.tolist()} is not a unit quaternion")
    out = np.eye(4)
    out[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    out[:3, 3] = message.position.x, message.position.y, message.position.z
    return out


def trajectory_message(
    names: Sequence[str],
    times: NDArray[np.floating],
    rows: NDArray[np.floating],
    time_s: float,
    velocities: NDArray[np.floating] | None = None,
) -> JointTrajectory:
    """Rows (k, n), and velocities (k, n) if given, due at time_s + times (k,). No rows: stand still."""
    out = JointTrajectory(joint_names=list(names))
    out.header.stamp = stamp(time_s)
    out.points = [
        JointTrajectoryPoint(positions=row, time_from_start=duration(t))
        for row, t in zip(np.asarray(rows, float).tolist(), np.asarray(times, float).tolist(), strict=True)
    ]
    if velocities is not None:
        for point, speeds in zip(out.points, np.asarray(velocities, float).tolist(), strict=True):
            point.velocities = speeds
    return out


def twist_message(twist: NDArray[np.floating], frame: str, time_s: float) -> TwistStamped:
    """twist (3,): forward and left in m/s, turn to the left in rad/s."""
    out = TwistStamped()
    out.header.frame_id, out.header.stamp = frame, stamp(time_s)
    out.twist.linear.x, out.twist.linear.y, out.twist.angular.z = map(float, twist)
    return out


def twist(message: Twist) -> NDArray[np.float64]:
    """(3,) as above; what else a Twist can say (up, roll, pitch) no vehicle here does."""
    return np.array([message.linear.x, message.linear.y, message.angular.z])


def odometry_message(pose: NDArray[np.floating] | None, twist: NDArray[np.floating] | None, time_s: float) -> Odometry:
    """pose (3,): x y (m) yaw (rad) in the frame odom; twist (3,) as above, of base_link. One that is None is marked as unknown, by
    variances of UNKNOWN."""
    out = Odometry(child_frame_id="base_link")
    out.header.frame_id, out.header.stamp = "odom", stamp(time_s)
    x, y, yaw = (0.0, 0.0, 0.0) if pose is None else map(float, pose)
    out.pose.pose.position.x, out.pose.pose.position.y = x, y
    out.pose.pose.orientation.z, out.pose.pose.orientation.w = float(np.sin(yaw / 2)), float(np.cos(yaw / 2))
    if twist is not None:
        out.twist.twist = twist_message(twist, "", time_s).twist
    for part, known in ((out.pose, pose), (out.twist, twist)):
        part.covariance = np.zeros(36) if known is not None else np.diag([UNKNOWN] * 6).ravel()
    return out


def diagnostic_message(
    name: str, level: int, message: str, values: Mapping[str, object], time_s: float
) -> DiagnosticArray:
    """One status for /diagnostics. level: 0 all right, 1 warning, 2 error, 3 stale."""
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    out = DiagnosticArray()
    out.header.stamp = stamp(time_s)
    out.status = [DiagnosticStatus(level=bytes([level]), name=name, message=message, hardware_id="", values=pairs)]
    return out


def rows(message: JointTrajectory) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (k, n) and times (k,), s; UserError when points have other lengths than names."""
    n = len(message.joint_names)
    if any(len(point.positions) != n for point in message.points):
        raise UserError(
            f"trajectory points of {[len(p.positions) for p in message.points][:5]} positions for {n} joints"
        )
    positions = np.array([list(point.positions) for point in message.points], float).reshape(len(message.points), n)
    return positions, np.array([seconds(point.time_from_start) for point in message.points])
