"""Settings: their sources, their order, their messages."""

from datetime import date
from pathlib import Path

import pytest

from strategy_lab_pipeline.errors import SettingsError, UnsafePathError
from strategy_lab_pipeline.settings import DEFAULT_PRODUCTS, SETTINGS_FILE, Settings


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STRATEGY_LAB_{name.upper()}", raising=False)


def _write(home: Path, text: str) -> None:
    (home / SETTINGS_FILE).write_text(text)


def test_settings__defaults_lie_in_the_home_folder(tmp_path: Path) -> None:
    """Nothing is needed but a folder."""
    settings = Settings(home=tmp_path)
    assert settings.landing == tmp_path / "landing"
    assert settings.lake == tmp_path / "lake"
    assert settings.experiments == tmp_path / "experiments"
    assert settings.database_url_text == f"sqlite:///{tmp_path}/strategy_lab.db"
    assert settings.products == DEFAULT_PRODUCTS
    assert settings.first_session == date(2023, 1, 1)


def test_settings__home_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STRATEGY_LAB_HOME, else .strategy-lab in the working folder; always absolute."""
    monkeypatch.chdir(tmp_path)
    assert Settings().home == tmp_path / ".strategy-lab"
    monkeypatch.setenv("STRATEGY_LAB_HOME", "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    _write(tmp_path / "elsewhere", "products: [ES]")
    assert Settings().home == tmp_path / "elsewhere"
    assert Settings().products == ("ES",)


def test_settings__call_goes_before_environment_before_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is nearer to the call wins."""
    _write(tmp_path, "products: [CL]\nmax_quarantined_share: 0.2\nmax_unreliable_share: 0.3")
    monkeypatch.setenv("STRATEGY_LAB_PRODUCTS", "MNQ, ES")
    monkeypatch.setenv("STRATEGY_LAB_MAX_QUARANTINED_SHARE", "0.4")
    settings = Settings(home=tmp_path, max_quarantined_share=0.5)
    assert settings.products == ("MNQ", "ES")
    assert settings.max_quarantined_share == 0.5
    assert settings.max_unreliable_share == 0.3


def test_settings__folders_are_relative_to_home(tmp_path: Path) -> None:
    """A home folder that is moved still works."""
    _write(tmp_path, "landing: in\nlake: /data/lake")
    settings = Settings(home=tmp_path)
    assert settings.landing == tmp_path / "in"
    assert settings.lake == Path("/data/lake")


def test_settings__names_every_wrong_one(tmp_path: Path) -> None:
    """The message has name, rule and value of each, and the names that there are."""
    _write(tmp_path, "products: []\nmax_unreliable_share: 3\nfirst_session: soon\nlanding_zone: x")
    with pytest.raises(SettingsError) as caught:
        Settings(home=tmp_path)
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "max_unreliable_share: Input should be less than or equal to 1, got 3" in text
    assert "landing_zone is not a setting: use any of home, landing" in text
    assert "first_session" in text
    assert "products" in text


@pytest.mark.parametrize("products", ["[MNQ, MNQ]", "[mnq]", "[../up]", "['']", "7"])
def test_settings__refuses_products_that_are_none(tmp_path: Path, products: str) -> None:
    """They become folders and partition keys."""
    _write(tmp_path, f"products: {products}")
    with pytest.raises(SettingsError, match="products"):
        Settings(home=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("products: [", "not readable as YAML"),
        ("- a\n- b", "must be a mapping"),
        ("1: x", "must be a mapping"),
        ("home: /elsewhere", "remove `home`"),
    ],
)
def test_settings__names_a_broken_file(tmp_path: Path, text: str, message: str) -> None:
    """The file is named with what is wrong in it."""
    _write(tmp_path, text)
    with pytest.raises(SettingsError, match=message) as caught:
        Settings(home=tmp_path)
    assert str(tmp_path / SETTINGS_FILE) in str(caught.value)


def test_settings__an_empty_file_says_nothing(tmp_path: Path) -> None:
    """Comments alone are fine."""
    _write(tmp_path, "# products: [ES]\n")
    assert Settings(home=tmp_path).products == DEFAULT_PRODUCTS


def test_settings__never_show_the_database_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not printed, not dumped, not in an error."""
    monkeypatch.setenv("STRATEGY_LAB_DATABASE_URL", "postgresql://u:pa55word@h/d")
    settings = Settings(home=tmp_path)
    assert settings.database_url_text == "postgresql://u:pa55word@h/d"
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert "pa55word" not in shown
    monkeypatch.delenv("STRATEGY_LAB_DATABASE_URL")
    for wrong in ("databse_url: u:pa55word@h", "database_url: [u:pa55word@h]"):
        _write(tmp_path, wrong)
        with pytest.raises(SettingsError) as caught:
            Settings(home=tmp_path)
        assert "pa55word" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_settings__survive_their_own_dump(tmp_path: Path) -> None:
    """What is handed to another process is the same but the database URL, which is not in it."""
    settings = Settings(home=tmp_path, products=["ES"], max_unreliable_share=0.25)
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_inside_landing__refuses_what_leads_out(tmp_path: Path) -> None:
    """Names come from run configuration: neither dots, absolute paths nor links lead out."""
    settings = Settings(home=tmp_path)
    settings.landing.mkdir()
    (settings.landing / "link").symlink_to(tmp_path)
    assert settings.inside_landing("day/a.dbn") == settings.landing / "day" / "a.dbn"
    assert settings.inside_landing(f"{settings.landing}/a.dbn") == settings.landing / "a.dbn"
    for name in ("../strategy_lab.yaml", "/etc/passwd", "link/strategy_lab.yaml"):
        with pytest.raises(UnsafePathError, match="inside the landing folder"):
            settings.inside_landing(name)
