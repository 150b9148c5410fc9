from dymu.data.splits import Split


def test_three_splits_in_order() -> None:
    assert [split.value for split in Split] == ["train", "val", "test"]


def test_a_split_is_found_by_its_value() -> None:
    assert Split("val") is Split.VAL
