"""A process around one node: signals, settings of the middleware, an end that leaves nothing moving."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from embodied.control.priority import everything_first, first, priority
from embodied.errors import UserError

RELIABLE = QoSProfile(depth=10)
WHOLE = QoSProfile(depth=200)  # for who must miss nothing of it
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
STREAM = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)  # as sensors send
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SWITCH_S = 0.0005  # a thread that has something to send waits so long for one that computes; Python's own 5 ms are a tick's jitter
PRIORITY = "of its threads under SCHED_FIFO, before all that computes, a gate's 10 above it; 0: as all others"
PROFILE = Path(__file__).parent / "config" / "fastdds.xml"


def ros_s(node: Any) -> float:
    """Now on the clock of the messages' stamps, s: the machine's, or /clock's with use_sim_time."""
    return node.get_clock().now().nanoseconds * 1e-9


def parameter(node: Any, key: str, default: Any, says: str) -> Any:
    """Declare it with a sentence that `ros2 param describe` and docs/ros2.md show, with its unit; its value. Where a number with a
    point is meant, 1 is 1.0. UserError for a value of another kind."""
    number = isinstance(default, float)
    described = ParameterDescriptor(description=says, dynamic_typing=number)
    try:
        value = node.declare_parameter(key, default, described).value
    except InvalidParameterTypeException as error:
        raise UserError(f"{key} must be a {type(default).__name__}, for example {default!r}: {error}") from None
    if number and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UserError(f"{key}={value!r} must be a number, for example {default}")
    return float(value) if number else value


def environment() -> dict[str, str]:
    """What a process of ours needs beside the caller's own environment: room for images in shared memory, quick discovery."""
    old = os.environ.get("ROS_DISTRO") in (
        "humble",
        "iron",
        "jazzy",
    )  # their Fast DDS knows the profile by its former name
    profile = "FASTRTPS_DEFAULT_PROFILES_FILE" if old else "FASTDDS_DEFAULT_PROFILES_FILE"
    return {profile: str(PROFILE), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """While much is made that stays: Python would search all of it for garbage again and again, in the end for 0.2 s, when
    no thread runs. What is there afterwards is never searched."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def computing() -> Iterator[None]:
    """While that takes long: this thread comes after others meanwhile."""
    before = priority()
    first(0)
    try:
        with loading():
            yield
    finally:
        first(before)


def live(make: Callable[[], Any], arguments: list[str] | None = None) -> int:
    """Spin the node that `make` gives until SIGINT or SIGTERM; then its `leave()`, while messages still go out. A callback that
    raises ends in its `failed(why)`. Its parameter `priority` puts its threads before others.

    rclpy's own handlers would end the middleware first, and a last "stop" would not arrive."""
    for key, value in environment().items():
        os.environ.setdefault(key, value)
    sys.setswitchinterval(SWITCH_S)
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    node, executor, ending = None, SingleThreadedExecutor(), []
    _on_signal(ending.append, executor.wake)
    try:
        with loading():
            node = make()
        _before_others(node)
        executor.add_node(node)
        while not ending:
            try:
                executor.spin_once(timeout_sec=1.0)
            except ExternalShutdownException:
                raise
            except Exception as error:  # nothing raises into the robot: it is told to stand still, and why is said
                # Of somebody's message: only what a node cannot begin with ends it. What fails again and again says nothing more.
                with contextlib.suppress(Exception):
                    node.failed(str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}")
    except UserError as error:
        print(f"{sys.argv[0].rsplit('/', 1)[-1]}: {error}", file=sys.stderr)
        return 2
    except ExternalShutdownException:
        pass
    finally:
        try:
            if node is not None:
                with contextlib.suppress(Exception):
                    node.leave()
                node.destroy_node()
        finally:
            rclpy.try_shutdown()
    return 0


def _before_others(node: Any) -> None:
    """As its parameter `priority` says; UserError where the system does not allow it."""
    asked = int(parameter(node, "priority", 0, PRIORITY))
    if asked and (asked < 1 or not everything_first(asked + int(getattr(node, "above", 0)))):
        raise UserError(f"priority={asked} is not allowed here: 1 to 89, and the right to it (`rtprio` in limits.conf)")


def _on_signal(heard: Callable[[int], None], wake: Callable[[], None]) -> None:
    """SIGINT and SIGTERM are noted by `heard`, and `wake` ends the wait of the executor: a handler in Python runs only after it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: heard(number))
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)

    def wait() -> None:
        while os.read(told, 1):
            wake()

    threading.Thread(target=wait, name="signals", daemon=True).start()
