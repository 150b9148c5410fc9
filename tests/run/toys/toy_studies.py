"""Studies of toys."""

from toy_parts import ToyTraining, toy_study  # type: ignore[import-not-found]

ours = toy_study("toy_studies-ours")
slow = toy_study("toy_studies-slow", edge=ToyTraining(num_steps=150, seconds=0.04))
impatient = toy_study("toy_studies-impatient", edge=ToyTraining(num_steps=10, needs_file="go"))
