"""A manifest to test with."""

from __future__ import annotations

from specialize.artifact import Digests, Manifest, PassNote, Site, SiteCamera, Tensor


def sha(letter: str) -> str:
    """Return something that looks like a digest."""
    return f"sha256:{letter * 64}"


def manifest() -> Manifest:
    """Return a manifest with something in every section, and figures small enough to check by eye."""
    cameras = (SiteCamera(name="CAM_FRONT", visible=30), SiteCamera(name="CAM_BACK", visible=40))
    site = Site(queries=100, cameras=cameras, longest=40, pairs=70, rows_computed=72)
    forms = {
        "zero_padded": {"pairs": 200, "attention": 4.0e9, "model": 9.0e9},
        "rebatched": {"pairs": 80, "attention": 1.6e9, "model": 6.6e9},
        "specialized": {"pairs": 70, "attention": 1.4e9, "model": 6.4e9},
    }
    outputs = {"bev_embed": {"max_abs": 1.5e-6, "max_rel": 2.5e-5}}
    return Manifest(
        vehicle="car42",
        model="bevformer_tiny",
        digests=Digests(profile=sha("a"), plan=sha("b"), model=sha("c"), build=sha("d")),
        target="onnxruntime",
        mode="exact",
        layout="ragged",
        align=8,
        cameras=("CAM_FRONT", "CAM_BACK"),
        sites=(site,),
        inputs=(Tensor(name="img", dtype="float32", shape=(1, 2, 3, 8, 8)),),
        outputs=(Tensor(name="bev_embed", dtype="float32", shape=(100, 1, 4)),),
        passes=(PassNote(name="compact", applied=True, where="site 0", reason="70 of 200 rows kept"),),
        verify={"schema": "specialize/verify@1", "passed": True, "frames": 4, "outputs": outputs},
        flops=forms,
        warnings=("weights are seeded, not trained",),
        spec="schema: specialize/model@1\n",
    )
