"""Studies of toys."""

from toy_parts import ToyTraining, toy_study

ours = toy_study("toy_studies-ours")
slow = toy_study("toy_studies-slow", edge=ToyTraining(num_steps=400, seconds=0.05))
