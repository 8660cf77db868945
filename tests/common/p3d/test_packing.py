"""List, packed and padded forms of batches of tensors."""

import pytest
import torch

from common.p3d import (
    list_to_packed,
    list_to_padded,
    packed_to_list,
    packed_to_padded,
    padded_to_list,
    padded_to_packed,
)

TENSORS = [torch.arange(6.0).view(2, 3), torch.zeros(0, 3), torch.arange(12.0).view(4, 3) + 10]


def test_lists_pad_and_come_back():
    padded = list_to_padded(TENSORS, pad_value=-1.0)
    assert padded.shape == (3, 4, 3) and (padded[0, 2:] == -1).all() and (padded[1] == -1).all()
    back = padded_to_list(padded, [2, 0, 4])
    assert all(torch.equal(a, b) for a, b in zip(back, TENSORS, strict=True))
    assert list_to_padded(TENSORS, (6, 4)).shape == (3, 6, 4)
    assert padded_to_list(list_to_padded(TENSORS, (6, 4)), [(2, 3), (0, 3), (4, 3)])[2].shape == (4, 3)
    assert len(padded_to_list(padded)) == 3
    assert list_to_padded([torch.zeros(0), TENSORS[0]]).shape == (2, 2, 3)
    assert torch.equal(list_to_padded([TENSORS[0]] * 2, equisized=True), torch.stack([TENSORS[0]] * 2))


def test_lists_pack_and_come_back():
    packed, lengths, first, element = list_to_packed(TENSORS)
    assert torch.equal(packed, torch.cat(TENSORS))
    assert lengths.tolist() == [2, 0, 4] and first.tolist() == [0, 2, 2] and element.tolist() == [0, 0, 2, 2, 2, 2]
    back = packed_to_list(packed, lengths.tolist())
    assert all(torch.equal(a, b) for a, b in zip(back, TENSORS, strict=True))


def test_packed_and_padded_are_inverse_and_differentiable():
    packed, _, first, _ = list_to_packed(TENSORS)
    assert torch.equal(packed_to_padded(packed, first, 4), list_to_padded(TENSORS))
    assert torch.equal(padded_to_packed(list_to_padded(TENSORS), first, 6), packed)
    assert packed_to_padded(packed[:, 0], first, 5).shape == (3, 5)
    x = packed.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: packed_to_padded(x, first, 4), x)
    assert torch.autograd.gradcheck(lambda x: padded_to_packed(packed_to_padded(x, first, 4), first, 6), x)


@pytest.mark.parametrize(
    "call",
    [
        lambda: list_to_padded([torch.zeros(2, 3), torch.zeros(2)]),
        lambda: list_to_padded(TENSORS, (3, 3)),
        lambda: padded_to_list(torch.zeros(2, 3), [1]),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError):
        call()


def test_padded_to_packed_of_structures():
    """The function of the same name in `structures.utils`: by sizes, by the padding's value, or all rows."""
    padded = list_to_padded(TENSORS, pad_value=-1.0)
    packed = list_to_packed(TENSORS)[0]
    assert torch.equal(padded_to_packed(padded), padded.view(-1, 3))
    assert torch.equal(padded_to_packed(padded, split_size=[2, 0, 4]), packed)
    assert torch.equal(padded_to_packed(padded, pad_value=-1.0), packed)
    for options in ({"split_size": [2, 0, 4], "pad_value": -1.0}, {"split_size": [2]}):
        with pytest.raises(ValueError, match="split_size"):
            padded_to_packed(padded, **options)
    with pytest.raises(ValueError, match="Pad size"):
        list_to_padded(TENSORS, (6, 4, 2))


def test_padded_to_packed_takes_sizes_in_second_place():
    padded = list_to_padded(TENSORS)
    assert torch.equal(padded_to_packed(padded, [2, 0, 4]), list_to_packed(TENSORS)[0])
    assert padded_to_packed(torch.tensor([[1.0, 0.0], [2.0, 3.0]]), pad_value=0.0).tolist() == [1.0, 2.0, 3.0]
