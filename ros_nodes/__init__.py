"""ROS 2 nodes around the same control loop as the simulator's: see docs/ros2.md. The only package that may import rclpy."""
