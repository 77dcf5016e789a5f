"""ROS 2 nodes around the same control loop as the simulator's: still to come. The only package that may import rclpy."""
