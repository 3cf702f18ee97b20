"""What must be refused: anything in a bundle that is not what was published."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from data_schemas.errors import BadInput
from data_schemas.home import Home
from serving.trust import trusted_forecast
from tests.serving.bundles import lines, sealed, time_bundle


@dataclass(frozen=True)
class StoredVersion:
    name: str
    version: str
    run_id: str
    manifest_sha256: str


@dataclass
class FolderRegistry:
    """A registry of one version whose bundle lies in a folder."""

    bundle: Path
    published: str

    def resolve(self, name: str, alias: str) -> StoredVersion:
        if alias != "champion":
            raise BadInput(f"model `{name}` has no `{alias}`; train one first with `bancast train`")
        return StoredVersion(name, "1", "run", self.published)

    def download(self, version: StoredVersion, folder: Path) -> Path:
        target = folder / "copy"
        if not target.exists():
            shutil.copytree(self.bundle, target, symlinks=True)
        return target


class Boom:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("unpickled"),))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return time_bundle(tmp_path_factory.mktemp("published") / "bundle")


@pytest.fixture
def registry(published: Path, tmp_path: Path) -> FolderRegistry:
    bundle = tmp_path / "bundle"
    shutil.copytree(published, bundle)
    return FolderRegistry(bundle, sha256((bundle / "manifest.json").read_bytes()).hexdigest())


def plant_pickle(bundle: Path) -> None:
    (bundle / "model.pkl").write_bytes(pickle.dumps(Boom()))


def plant_listed_pickle(bundle: Path) -> None:
    plant_pickle(bundle)
    sealed(bundle)


def pickle_for_booster(bundle: Path) -> None:
    (bundle / "boosters" / "0.txt").write_bytes(pickle.dumps(Boom()))


def add_file(bundle: Path) -> None:
    (bundle / "boosters" / "extra.txt").write_text("tree\n")


def add_code(bundle: Path) -> None:
    (bundle / "lightgbm.py").write_text("raise SystemExit\n")


def change_byte(bundle: Path) -> None:
    path = bundle / "boosters" / "0.txt"
    text = bytearray(path.read_bytes())
    text[len(text) // 2] ^= 1
    path.write_bytes(bytes(text))


def remove_file(bundle: Path) -> None:
    (bundle / "boosters" / "1.txt").unlink()


def remove_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()


def relist(name: str):
    def change(bundle: Path) -> None:
        path = bundle / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["files"][name] = "0" * 64
        path.write_text(json.dumps(manifest))

    return change


def link_out(bundle: Path) -> None:
    path = bundle / "boosters" / "0.txt"
    outside = bundle.parent / "outside.txt"
    path.rename(outside)
    path.symlink_to(outside)


def link_folder(bundle: Path) -> None:
    (bundle / "boosters").rename(bundle.parent / "elsewhere")
    (bundle / "boosters").symlink_to(bundle.parent / "elsewhere")


def other_format(bundle: Path) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 1}))


def no_manifest_at_all(bundle: Path) -> None:
    (bundle / "manifest.json").write_bytes(b"\x80\x04\x95")


CHANGES = [
    (plant_pickle, "not listed in the manifest"),
    (plant_listed_pickle, "only .txt and .json"),
    (pickle_for_booster, "SHA-256 differs"),
    (add_file, "not listed in the manifest"),
    (add_code, "not listed in the manifest"),
    (change_byte, "SHA-256 differs"),
    (remove_file, "listed in the manifest, but missing"),
    (remove_manifest, "no model bundle"),
    (relist("../outside.txt"), "no plain path"),
    (relist("boosters/../../outside.txt"), "no plain path"),
    (relist("/etc/hostname.txt"), "no plain path"),
    (relist("..\\outside.txt"), "no plain path"),
    (relist("C:/outside.txt"), "no plain path"),
    (link_out, "a link or device"),
    (link_folder, "a link or device"),
    (other_format, "format bancast-model 1, this reads bancast-model 2"),
    (no_manifest_at_all, "not a manifest"),
]
IDS = [f"{number}-{words.replace(' ', '-')}" for number, (_, words) in enumerate(CHANGES)]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=IDS)
def test_a_bundle_that_was_tampered_with_is_refused(
    registry: FolderRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change, words: str
):
    monkeypatch.chdir(tmp_path)
    change(registry.bundle)
    manifest = registry.bundle / "manifest.json"
    if manifest.exists():  # even when the registry's fingerprint were made to agree
        registry.published = sha256(manifest.read_bytes()).hexdigest()
    with pytest.raises(BadInput) as caught:
        trusted_forecast(registry, Home(tmp_path / "home"), "bancast", "champion")
    assert words in str(caught.value) and "bancast/1 is refused" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "unpickled").exists()


def test_a_manifest_that_the_registry_does_not_know_is_refused(registry: FolderRegistry, tmp_path: Path):
    change_byte(registry.bundle)
    sealed(registry.bundle)  # consistent in itself, and still not what was published
    with pytest.raises(BadInput, match="differs from the one in the registry"):
        trusted_forecast(registry, Home(tmp_path / "home"), "bancast", "champion")
    registry.published = ""
    with pytest.raises(BadInput, match="no manifest_sha256"):
        trusted_forecast(registry, Home(tmp_path / "home"), "bancast", "champion")


def test_a_refused_copy_is_fetched_anew_the_next_time(registry: FolderRegistry, tmp_path: Path):
    home = Home(tmp_path / "home")
    trusted_forecast(registry, home, "bancast", "champion")
    change_byte(home.model_cache / "copy")
    with pytest.raises(BadInput, match="SHA-256 differs"):
        trusted_forecast(registry, home, "bancast", "champion")
    assert registry.bundle.is_dir()
    forecast, version = trusted_forecast(registry, home, "bancast", "champion")
    assert version.manifest_sha256.startswith(forecast.version)


def test_the_quick_explanations_give_the_scores_of_the_published_file(registry: FolderRegistry, tmp_path: Path):
    from serving.published import Forecast

    forecast, _ = trusted_forecast(registry, Home(tmp_path / "home"), "bancast", "champion")
    frame = lines(400, seed=12)
    quick, slow = forecast.score(frame), Forecast.read(registry.bundle).score(frame)
    assert quick.to_dict("records") == slow.to_dict("records")
