"""Torch's tensors. Torch is large, and no test installs it: where it isn't, these are skipped."""

import pytest

from rpyc_kernel.agent.values import UnpackError, pack, unpack
from tests.unit.agent.values.copies import copied

torch = pytest.importorskip("torch", reason="torch is large, and nothing else here needs it")


DTYPES = ["bool", "uint8", "int64", "uint64", "float16", "float64", "bfloat16", "complex64", "float8_e5m2"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors(dtype):
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    views = tensor.T, tensor[:, ::2], tensor[:0], tensor[0, 0], tensor[:1].expand(4, 3), tensor[0].conj()
    for given in (tensor, *views):
        found = copied(given)
        assert found.dtype == given.dtype
        assert found.shape == given.shape
        assert found.tolist() == given.tolist()


def test_whether_it_requires_a_gradient():
    assert copied(torch.ones(2, requires_grad=True)).requires_grad
    assert not copied(torch.ones(2)).requires_grad
    leaf = copied(torch.ones(2, requires_grad=True) * 2)  # computed from what requires one
    assert leaf.requires_grad
    assert leaf.is_leaf


def test_a_model_by_its_parameters():
    given = torch.nn.Linear(3, 2).state_dict()
    found = copied(given)
    assert list(found) == list(given)
    assert all(torch.equal(found[name], given[name]) for name in given)


def test_the_memory_is_shared():
    tensor = torch.zeros(1000)
    packed = pack(tensor, "it")
    tensor[0] = 5
    assert unpack(packed.text, packed.buffers)[0] == 5


def test_what_cannot_be_copied():
    with pytest.raises(TypeError, match=r"^it\[0\] is a tensor in the memory of meta; \.cpu\(\) brings it"):
        pack([torch.ones(2, device="meta")], "it")
    with pytest.raises(TypeError, match=r"^it is a tensor of torch.sparse_coo"):
        pack(torch.ones(2).to_sparse(), "it")
    with pytest.raises(TypeError, match=r"^it is a nested tensor; \.unbind\(\) makes a tuple"):
        pack(torch.nested.nested_tensor([torch.ones(2)], layout=torch.jagged), "it")
    with pytest.raises(TypeError, match=r"^it is of the type torch.nn"):
        pack(torch.nn.Linear(3, 2), "it")
    with pytest.raises(UnpackError):
        unpack(b'[["torch.Tensor","float32",true,5],[0]]')


@pytest.mark.parametrize(
    ("told", "lie"),
    [
        (b"<i2", b"<i8"),
        (b"<i2", b"<f2"),
        (b"<i2", b"<M8[s]"),
        (b"bfloat16", b"float8_e5m2"),
        (b"bfloat16", b"float32"),
        (b"bfloat16", b"evil"),
        (b"false", b"1"),
        (b"[0]]", b"0]"),
    ],
)
def test_tensors_that_are_none(told, lie):
    packed = pack(torch.ones(4, dtype=torch.bfloat16), "it")
    assert told in packed.text
    with pytest.raises(UnpackError):
        unpack(bytes(packed.text).replace(told, lie, 1), packed.buffers)
    integers = pack(torch.ones(4, dtype=torch.int64), "it")
    with pytest.raises(UnpackError):
        unpack(bytes(integers.text).replace(b"false", b"true"), integers.buffers)
