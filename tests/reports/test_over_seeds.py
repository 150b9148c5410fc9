import numpy as np

from dymu.reports.over_seeds import over_seeds

PREFERENCE_SN = np.array([[0.25, 0.75], [1.0, 0.0]])


def test_seeds_at_the_same_preferences_are_averaged() -> None:
    losses = [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[3.0, 2.0], [5.0, 0.0]])]
    preference_SN, loss_SN = over_seeds([(PREFERENCE_SN, loss_SN) for loss_SN in losses])
    assert preference_SN.tolist() == PREFERENCE_SN.tolist()
    assert loss_SN.tolist() == [[2.0, 2.0], [4.0, 2.0]]


def test_seeds_at_other_preferences_stand_one_after_the_other() -> None:
    samples = [(PREFERENCE_SN, np.array([1.0, 2.0])), (PREFERENCE_SN[::-1], np.array([3.0, 4.0]))]
    preference_SN, share_S = over_seeds(samples)
    assert preference_SN.tolist() == [*PREFERENCE_SN.tolist(), *PREFERENCE_SN[::-1].tolist()]
    assert share_S.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_one_seed_is_itself() -> None:
    preference_SN, share_S = over_seeds([(PREFERENCE_SN, np.array([1.0, 2.0]))])
    assert (preference_SN.tolist(), share_S.tolist()) == (PREFERENCE_SN.tolist(), [1.0, 2.0])
