"""Every setting of bancast, each with its unit, default and reason.

Read from `bancast.toml` in the home, with the environment over it (BANCAST_ZONE, BANCAST_TRAIN__SEED, ...).
Built once at the entry point and passed down; nothing else reads the environment.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from data_schemas.clock import TIME_OF_DAY, known_zone
from data_schemas.errors import BadInput
from data_schemas.slips import nearly_variables, unknown


def _time_of_day(given: str) -> str:
    if not re.fullmatch(TIME_OF_DAY, given):
        raise ValueError(f"{given!r} is no time of day; write it as 08:00")
    return given


TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]


class _Section(BaseModel):
    """A part of the settings; unknown names are errors, so that a typing slip does not pass in silence.

    Defaults are checked too: one may contradict what is given beside it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class IngestSettings(_Section):
    """How much bad input is tolerated."""

    max_bad_share: float = Field(
        default=0.05, ge=0, le=1, description="Share of quarantined rows of a table past which ingest stops."
    )
    retract: bool = Field(
        default=True,
        description="Whether calls and messages that a day delivered anew no longer has are retracted; false: nothing ever is.",
    )


class FeatureSettings(_Section):
    """What the features assume where no published policy says otherwise."""

    permitted_from: TimeOfDay = Field(
        default="08:00", description="Start of permitted calling hours, local, where no policy gives one."
    )
    permitted_to: TimeOfDay = Field(
        default="20:00", description="End of permitted calling hours, local, where no policy gives one."
    )
    kept_days: int = Field(
        default=0, ge=0, description="Days of worked-out line-days kept beside the lake, newest first; 0 keeps all."
    )


class TrainSettings(_Section):
    """How a model is trained and judged."""

    seed: int = Field(default=7, description="Seed of every random choice.")
    horizons: tuple[int, ...] = Field(default=(1, 3, 7, 14), description="Days ahead that are forecast, ascending.")
    headline: int = Field(default=7, description="Horizon that ranks lines and judges models, days.")
    test_days: int = Field(default=28, ge=1, description="Days of snapshots held out, latest, for the test.")
    validation_days: int = Field(default=28, ge=1, description="Days of snapshots before the test, for calibration and stopping.")
    every_days: int = Field(default=3, ge=1, description="Days between the snapshots that are learnt from.")
    warmup_days: int = Field(default=14, ge=1, description="First days of calls without snapshots, for windows to fill.")
    bags: int = Field(default=3, ge=1, description="Models averaged, each from another seed.")
    calibration_half_life: float = Field(
        default=84.0, ge=0, description="Days in which a checked row loses half its say in the calibration; 0: all say the same."
    )
    learning_rate: float = Field(default=0.05, gt=0, description="Step of the boosting.")
    leaves: int = Field(default=6, ge=2, description="Leaves of a tree.")
    feature_fraction: float = Field(default=0.3, gt=0, le=1, description="Share of the features that a tree may look at.")
    bagging_fraction: float = Field(default=0.7, gt=0, le=1, description="Share of the rows that a tree is grown on.")
    lambda_l2: float = Field(default=5.0, ge=0, description="Pull of every leaf towards no opinion (L2).")
    min_data: int | None = Field(
        default=None, ge=1, description="Rows that a leaf needs; by the number of bans (10 to 60) when not given."
    )
    stale_weight: float = Field(
        default=0.3, gt=0, le=1, description="What a row counts that is older than its carrier's last change of policy."
    )
    rounds: int = Field(default=400, ge=10, description="Trees at the most; fewer when the validation period says so.")
    flags: int = Field(default=50, ge=1, description="Lines ops can look at a week: the k of precision at k.")
    min_bans: int = Field(default=30, ge=1, description="Bans needed before a model is trained.")
    max_rows: int = Field(
        default=80_000, ge=1000, description="Training rows past which snapshots are thinned, for time and memory."
    )
    reporting_delay_days: int | None = Field(
        default=None, ge=0, description="Days until a ban is surely known; from the data (99th percentile) when not given."
    )

    @field_validator("horizons")
    @classmethod
    def _ascending(cls, horizons: tuple[int, ...]) -> tuple[int, ...]:
        if not horizons or horizons[0] < 1 or list(horizons) != sorted(set(horizons)):
            raise ValueError(f"{list(horizons)} are no ascending days from 1 on; write them as [1, 3, 7, 14]")
        return horizons

    @field_validator("headline")
    @classmethod
    def _forecast(cls, headline: int, info: ValidationInfo) -> int:
        horizons = info.data.get("horizons")
        if horizons is not None and headline not in horizons:
            raise ValueError(f"{headline} days are none of the horizons {list(horizons)}; choose one of them, or add it there")
        return headline


class RuleSettings(_Section):
    """The limits that an ops team watches by hand: the baseline every forecast has to beat."""

    daily_calls: float = Field(default=150.0, gt=0, description="Calls a line a day.")
    hourly_calls: float = Field(default=40.0, gt=0, description="Calls a line in one clock hour.")
    weekly_complaints: float = Field(default=2.0, gt=0, description="Complaints about a line in 7 days.")


class LevelSettings(_Section):
    """What makes a line red, orange or yellow."""

    mode: Literal["threshold", "capacity", "promise", "cost"] = Field(
        default="threshold",
        description="By probability, by how many lines ops can handle, red from where the model promises its precision, or red"
        " from where acting costs less than the bans it prevents.",
    )
    red: float = Field(default=0.30, ge=0, le=1, description="Headline risk from which a line is red.")
    orange: float = Field(default=0.15, ge=0, le=1, description="Headline risk from which a line is orange.")
    yellow: float = Field(default=0.05, ge=0, le=1, description="Headline risk from which a line is yellow.")
    promise: float = Field(default=0.30, gt=0, lt=1, description="Share of red lines that is banned, at the least, as promised.")
    confidence: float = Field(default=0.90, gt=0, lt=1, description="Confidence of that promise.")
    red_lines: int = Field(default=20, ge=0, description="Lines that can be red, by rank, in capacity mode.")
    orange_lines: int = Field(default=50, ge=0, description="Further lines that can be orange in capacity mode.")
    yellow_lines: int = Field(default=100, ge=0, description="Further lines that can be yellow in capacity mode.")

    @model_validator(mode="before")
    @classmethod
    def _follow(cls, given: Any) -> Any:
        """A level that is not given begins no higher than the graver one that is: red = 0.1 alone makes no line orange."""
        if not isinstance(given, dict):
            return given
        made = dict(given)
        graver = {"orange": "red", "yellow": "orange"} if made.get("mode", "threshold") == "threshold" else {"yellow": "orange"}
        for name, above in graver.items():
            if name not in made and isinstance(made.get(above), int | float | str):
                with suppress(ValueError):  # what is no number is said of the graver one
                    made[name] = min(cls.model_fields[name].default, float(made[above]))
        return made

    @field_validator("orange")
    @classmethod
    def _below_red(cls, orange: float, info: ValidationInfo) -> float:
        if info.data.get("mode") == "threshold":  # in the other modes red is not a fixed risk
            _falls("orange", orange, "red", info)
        return orange

    @field_validator("yellow")
    @classmethod
    def _below_orange(cls, yellow: float, info: ValidationInfo) -> float:
        if info.data.get("mode") in ("threshold", "promise"):
            _falls("yellow", yellow, "orange", info)
        return yellow


def _falls(name: str, risk: float, above: str, info: ValidationInfo) -> None:
    """ValueError when a level begins at a higher risk than the graver one."""
    limit = info.data.get(above)
    if limit is not None and risk > limit:
        raise ValueError(f"{name} = {risk:g} is above {above} = {limit:g}; risks must fall from red to orange to yellow")


class CostSettings(_Section):
    """What a ban costs and what acting on a line costs; both or neither are given."""

    ban: float | None = Field(
        default=None, gt=0, description="Cost of one ban, in any currency: customers and calls lost, the appeal, a new line."
    )
    action: float | None = Field(
        default=None, gt=0, description="Cost of acting on one line for a week, in the same currency; calls not placed count."
    )
    effect: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of bans that acting on a line prevents: an assumption, until you have tried it.",
    )
    orange: float = Field(
        default=0.5, gt=0, le=1, description="Share of red's risk from which a line is orange, in cost mode: half pays half."
    )
    yellow: float = Field(
        default=0.25, gt=0, le=1, description="Share of red's risk from which a line is yellow, in cost mode: a quarter."
    )
    currency: str | None = Field(default=None, description="What the costs are in, as it should be shown.")

    @field_validator("yellow")
    @classmethod
    def _below_orange(cls, yellow: float, info: ValidationInfo) -> float:
        _falls("yellow", yellow, "orange", info)
        return yellow

    @model_validator(mode="after")
    def _both_or_neither(self) -> CostSettings:
        if (self.ban is None) != (self.action is None):
            raise ValueError("`ban` and `action` say something only together, give both")
        return self


class CoachingSettings(_Section):
    """When a team or an agent stands out from comparable ones."""

    ratio: float = Field(default=1.2, ge=1, description="How many times what is usual it is at the least.")
    false_share: float = Field(
        default=0.05, gt=0, lt=1, description="Share of those that stand out that may do so by chance (false discovery rate)."
    )
    min_calls: int = Field(default=200, ge=1, description="Calls in 28 days below which nobody stands out.")


class WatchSettings(_Section):
    """When a carrier counts as having become stricter."""

    ratio: float = Field(default=2.0, gt=1, description="How many times the expected bans the watch is set to see soonest.")
    false_alarms_per_year: float = Field(default=1.0, gt=0, description="Alarms a carrier and year while nothing has changed.")
    level_error: float = Field(
        default=0.2, gt=0, lt=1, description="How far off the forecast's level may be for a carrier, as a standard deviation."
    )
    lead_days: int = Field(
        default=3,
        ge=0,
        description="Days that scores must be older than a day they are held against, before they knew of a change.",
    )
    reference_days: int = Field(
        default=180, ge=28, description="Days of bans, before the settling ones, that a carrier's own level is learnt from."
    )
    settle_days: int = Field(
        default=28, ge=7, description="Newest days that level and dispersion leave out, so that they do not absorb a change."
    )


class AlertChannel(_Section):
    """One place that alerts go to, as `[[alerts.channels]]`."""

    url: SecretStr = Field(description="Apprise URL; it carries a token, so it is never shown.")
    name: str | None = Field(
        default=None, pattern=r"^[\w.-]{1,40}$", description="What the channel is called; the service and a mark when not given."
    )
    teams: tuple[str, ...] = Field(default=(), description="Teams whose lines go there; all lines when empty.")
    language: Literal["zh", "en"] | None = Field(default=None, description="Language; that of the report when not given.")


def _urls(given: Any) -> Any:
    """Several URLs from an environment variable: with white space between them, or as a JSON list."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given) if given.lstrip().startswith("[") else given.split()
    except ValueError:
        raise ValueError("not a JSON list; put white space between the URLs instead") from None


class AlertSettings(_Section):
    """Which lines ops are told of each morning, where, and how often at the most."""

    urls: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_urls)] = Field(
        default=(), description="Apprise URLs that all alerts go to (docs/alerts.md); each carries a token, so none is shown."
    )
    channels: tuple[AlertChannel, ...] = Field(
        default=(), description="Further channels, as tables `[[alerts.channels]]` of `url`, `name`, `teams` and `language`."
    )
    group_by: Literal["team", "carrier", "number_pool"] = Field(default="team", description="What a message groups lines by.")
    lines: int = Field(default=20, ge=0, description="Lines that a message names at the most; the rest are counted.")
    lines_per_group: int = Field(default=5, ge=1, description="Lines of one group that a message names at the most.")
    messages_per_day: int = Field(
        default=3, ge=1, description="Messages a channel and day at the most; what is left over goes out with the next morning's."
    )
    silence_days: int = Field(
        default=3, ge=0, description="Days after an alert on which its lines are not told again, so that none flickers."
    )
    rise: float = Field(
        default=0.15, gt=0, le=1, description="By how much the headline risk must have risen for a line to be told again."
    )
    tries: int = Field(default=3, ge=1, le=10, description="Times that a message is tried before its channel has failed.")
    wait_s: float = Field(default=5.0, ge=0, le=300, description="Seconds between two tries.")
    timeout_s: float = Field(default=15.0, gt=0, le=300, description="Seconds that a service may take to answer.")


class ReportSettings(_Section):
    """What the ranking shows."""

    most_lines: int = Field(
        default=100_000,
        ge=1,
        description="Lines that the page holds at the most, from the top, so that a browser opens it in seconds; files hold all.",
    )


class AppealSettings(_Section):
    """Which bans are candidates for an appeal, and how long an answer may take."""

    within_days: int = Field(
        default=30, ge=1, description="Days back over which a ban must have begun; carriers seldom review older ones."
    )
    score_days: int = Field(default=7, ge=0, description="Days before a ban within which its line must have been scored.")
    off_hours_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of calls outside permitted hours up to which the hours count as kept."
    )
    answer_days: int = Field(default=7, ge=1, description="Days within which a carrier's answer is due; then a reminder.")
    shown: int = Field(
        default=50, ge=1, description="Candidates that get documents at most, lowest risk first: as many as ops can send."
    )


class ActionSettings(_Section):
    """What is suggested for lines at risk."""

    playbook: Path | None = Field(
        default=None, description="File of a playbook of your own (TOML, see docs/actions.md); bancast's own when not given."
    )
    replay: bool = Field(
        default=True,
        description="Whether plans are tried on the last 7 days and their features worked out anew; else effects are estimated.",
    )
    most_lines: int = Field(default=2000, ge=0, description="Lines on the list, from the first rank, whose plans are tried.")
    spare_share: float = Field(
        default=0.2, ge=0, le=1, description="Share of a team's calls of a usual day whose lines may be advised to rest at once."
    )


class Settings(BaseSettings):
    """All settings; see each section."""

    model_config = SettingsConfigDict(env_prefix="BANCAST_", env_nested_delimiter="__", extra="forbid", frozen=True)

    zone: str = Field(default="Asia/Shanghai", description="IANA zone whose local day is a day.")
    country: str = Field(default="CN", description="ISO country whose public holidays count.")
    engine: Literal["duckdb", "spark"] = Field(
        default="duckdb", description="What works out the features: DuckDB here, or Spark."
    )
    spark_master: str = Field(default="local[*]", description="Spark master to connect to when the engine is spark.")
    threads: int = Field(default=0, ge=0, description="Threads for the engine and LightGBM; 0 takes all cores.")
    memory_gb: float = Field(default=4.0, gt=0, description="Memory the engine may use before it spills to disk, GB.")
    callee_key: str | None = Field(default=None, description="Key of the callee hash; made and kept in the home when not given.")
    callee_key_file: Path | None = Field(default=None, description="File that holds the key of the callee hash.")
    mlflow_uri: str | None = Field(
        default=None, description="MLflow tracking server; the home's own SQLite store when not given."
    )
    language: Literal["zh", "en"] = Field(default="zh", description="Language the report opens in.")
    ingest: IngestSettings = IngestSettings()
    features: FeatureSettings = FeatureSettings()
    train: TrainSettings = TrainSettings()
    rule: RuleSettings = RuleSettings()
    levels: LevelSettings = LevelSettings()
    costs: CostSettings = CostSettings()
    coaching: CoachingSettings = CoachingSettings()
    watch: WatchSettings = WatchSettings()
    alerts: AlertSettings = AlertSettings()
    report: ReportSettings = ReportSettings()
    appeals: AppealSettings = AppealSettings()
    actions: ActionSettings = ActionSettings()

    _zone = field_validator("zone")(known_zone)

    @field_validator("costs")
    @classmethod
    def _known_in_cost_mode(cls, costs: CostSettings, info: ValidationInfo) -> CostSettings:
        levels = info.data.get("levels")
        if levels is not None and levels.mode == "cost" and costs.ban is None:
            raise ValueError("`ban` and `action` are needed while levels.mode is `cost`")
        return costs

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over `bancast.toml`."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(home: Path, **overrides: Any) -> Settings:
    """The settings of a home: its `bancast.toml` (if any), the environment over it, then `overrides`.

    Raises BadInput with the file, the setting and the rule when one does not fit.
    """
    path = home / "bancast.toml"
    for variable, meant in nearly_variables(Settings):
        raise BadInput(f"environment variable {variable}: no such setting (is {meant} meant?); correct it, or unset it")

    class HomeSettings(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        return HomeSettings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        says = unknown(where, Settings) if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise BadInput(f"{path}: setting `{where}`: {says}; correct it there or in the environment") from None
    except ValueError as error:
        raise BadInput(f"{path}: not readable as TOML ({error}); correct the line it names") from None
