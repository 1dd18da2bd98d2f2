"""What continuous integration must judge again after a change: `conform plan --since REF`."""
