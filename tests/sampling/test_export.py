"""Exported generators draw the same images in a process that knows no ganforge, by the page's own snippets."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from narrow import narrow
from safetensors.torch import load_file, save_file
from sampling_runs import CONDITIONAL, DCGAN, STYLES

from discovery import options
from ganforge.sampling import export
from ganforge.sampling.export import Drawing
from quick import PATIENCE

PAGE = (Path(__file__).parents[2] / "docs" / "sampling.md").read_text()
SNIPPETS = dict(re.findall(r"```python (\w+)\n(.*?)```", PAGE, re.DOTALL))
#: The snippets draw their own latents; these take the test's.
INPUTS = {
    "onnx": (
        "images = session.run(None, {name: value.numpy() for name, value in given.items()})[0]",
        "torch.from_numpy",
    ),
    "torch_export": ("images = program.module()(*given.values())", ""),
    "safetensors": ("images = generator(*given.values())", ""),
}


def run_snippet(form, folder, inputs):
    """Run the page's snippet, then once more on ``inputs``, in a process of its own; return the images."""
    save_file(dict(zip(("latent", "labels"), inputs, strict=False)), folder / "inputs.safetensors")
    again, convert = INPUTS[form]
    forbidden = "" if form == "safetensors" else "assert 'ganforge' not in sys.modules\n"
    program = (
        f"{SNIPPETS[form]}\nassert images.shape[0] == 16 and images.ndim == 4\n"
        "import sys\nimport torch\nfrom safetensors.torch import load_file, save_file\n"
        "given = dict(sorted(load_file('inputs.safetensors').items(), reverse=True))\n"
        "given = {name: given[name] for name in ('latent', 'labels') if name in given}\n"
        f"{again}\nsave_file({{'images': {convert}(images)}}, 'images.safetensors')\n{forbidden}"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=folder, check=True, timeout=PATIENCE)
    return load_file(folder / "images.safetensors")["images"]


@pytest.mark.slow
@pytest.mark.parametrize("form", sorted(SNIPPETS))
@pytest.mark.parametrize("overrides", [DCGAN, CONDITIONAL, STYLES], ids=lambda overrides: overrides[0])
def test_the_pages_snippets_draw_the_same_images(overrides, form, make_sampler, tmp_path):
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    sampler = make_sampler(overrides)
    made = export(sampler, form)
    made.save(tmp_path / f"export{made.suffix}")
    inputs = [value for value in (sampler.latents(7), sampler.labels(7)) if value is not None]
    expected = Drawing(sampler.sampler)(*inputs)
    assert expected.std() > 0.1
    images = run_snippet(form, tmp_path, inputs).clamp(-1, 1)
    # The weights' file is drawn by the network itself, whose noise is random where it has styles (untrained: none).
    assert torch.allclose(images, expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("model", options("model"))
def test_every_variant_becomes_a_program(model, make_sampler, tmp_path):
    sampler = make_sampler(narrow(f"model={model}"))
    assert export(sampler, "torch_export").save(tmp_path / "export.pt2").stat().st_size > 0


def test_page_has_a_snippet_for_each_format():
    assert set(SNIPPETS) == set(INPUTS)
