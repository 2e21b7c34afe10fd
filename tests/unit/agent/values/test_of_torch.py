"""Torch's tensors. Torch is large, and no test installs it: where it isn't, these are skipped."""

import pytest

from rpyc_kernel.agent.values import UnpackError, pack, unpack
from tests.unit.agent.values.copies import copied

torch = pytest.importorskip("torch", reason="torch is large, and nothing else here needs it")


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "bfloat16", "complex64"])
def test_tensors(dtype):
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    for given in (tensor, tensor.T, tensor[:, ::2], tensor[:0], tensor[0, 0]):
        found = copied(given)
        assert found.dtype == given.dtype
        assert found.shape == given.shape
        assert torch.equal(found, given)


def test_whether_it_requires_a_gradient():
    assert copied(torch.ones(2, requires_grad=True)).requires_grad
    assert not copied(torch.ones(2)).requires_grad


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
    with pytest.raises(UnpackError):
        unpack(b'[["torch.Tensor","float32",true,5],[0]]')
