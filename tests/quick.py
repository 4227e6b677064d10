"""What makes a command take seconds."""

QUICK = ["debug=smoke", "logger=csv", "network.width=4", "trainer=cpu"]
