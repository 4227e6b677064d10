"""What makes a command take seconds."""

#: A few steps of everything.
SMOKE = ["debug=smoke", "logger=csv", "network.width=4", "trainer=cpu"]

#: The same without pictures of curves: matplotlib takes as long as the training.
QUICK = [*SMOKE, "callbacks.curves=null"]

#: Seconds until what has not ended hangs. It is no measure of speed: a loaded machine is ten times as slow.
PATIENCE = 600
