"""`validated_ticks` and `quarantined_ticks`: every raw row judged, none lost.

Where the share of bad rows or of untrusted time is too large, only the quarantine is published:
nothing downstream has anything to run on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from strategy_lab_core.data.checks import row_rules
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.lake import Draft, PublishedVersion
from strategy_lab_pipeline.stages.judge import LIMITS, STATE_REASONS, Judgement, judge
from strategy_lab_pipeline.stages.outcome import Finding, Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, record
from strategy_lab_pipeline.stages.versions import input_key
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["ValidatedTicks", "build", "config_of", "current_split", "inputs_of", "rules"]

VALID, QUARANTINE = "validated_ticks", "quarantined_ticks"


@dataclass(frozen=True, slots=True)
class ValidatedTicks:
    """Both outcomes of one partition; `blocked` says why there is nothing downstream."""

    validated: Outcome | None
    quarantined: Outcome
    findings: tuple[Finding, ...]
    blocked: tuple[str, ...]


class _BlockedError(Exception):
    """Leaves the draft of the validated ticks unpublished; carries what was found."""

    def __init__(self, judgement: Judgement) -> None:
        self.judgement = judgement
        super().__init__("; ".join(judgement.blocked))


def rules() -> dict[str, str]:
    """Return every rule of validation with its reason, in the order in which they are judged."""
    found = {rule.name: rule.reason for rule in row_rules()}
    found.update(STATE_REASONS)
    return found | LIMITS


def inputs_of(workspace: Workspace, product: str, session: date) -> dict[str, str] | None:
    """Return what the partition is made from; None where its raw ticks are not there."""
    found = current_outcome(workspace, "raw_ticks", product, str(session))
    return {"raw_ticks": found.data_version} if found else None


def config_of(workspace: Workspace, product: str) -> dict[str, Any]:
    """Return the settings that decide what comes out."""
    settings = workspace.settings
    return {
        "product": product,
        "max_quarantined_share": settings.max_quarantined_share,
        "max_unreliable_share": settings.max_unreliable_share,
        **workspace.own_product(product),
    }


def build(workspace: Workspace, product: str, session: date, *, run_id: str) -> ValidatedTicks:
    """Judge the partition's raw ticks; publish both sides of the split, or only the quarantine."""
    found = current_split(workspace, product, session)
    if found is not None:
        return found
    raw = current_outcome(workspace, "raw_ticks", product, str(session))
    if raw is None:
        raise PipelineError(f"{product} {session}: no raw ticks; materialise raw_ticks first")
    inputs, config = {"raw_ticks": raw.data_version}, config_of(workspace, product)
    key = {asset: input_key(asset, inputs, config) for asset in (VALID, QUARANTINE)}
    place = (product, str(session))
    with workspace.lake.publish(QUARANTINE, *place, key[QUARANTINE]) as bad:
        judgement, published = _split(workspace, raw, product, session, key[VALID], bad)
    _remember(workspace, judgement, product, session)

    def row(asset: str, files: PublishedVersion, details: Mapping[str, Any]) -> Outcome:
        """Record one side of the split."""
        return record(
            workspace, asset, *place, version=key[asset], inputs=inputs, config=config,
            published=files, details=details, run_id=run_id,
        )  # fmt: skip

    mark = {"blocked_version": key[VALID]} if judgement.blocked else {}
    details = {"rows": judgement.quarantined_rows, **judgement.shares, **mark}
    quarantined = row(QUARANTINE, bad.published, details)
    validated = None
    if published is not None:
        validated = row(VALID, published, {"rows": judgement.validated_rows, **judgement.details})
    return ValidatedTicks(validated, quarantined, judgement.findings, judgement.blocked)


def _split(
    workspace: Workspace, raw: Outcome, product: str, session: date, version: str, bad: Draft
) -> tuple[Judgement, PublishedVersion | None]:
    """Judge the rows; publish the valid ones unless too much is wrong with them."""
    settings = workspace.settings
    limits = (settings.max_quarantined_share, settings.max_unreliable_share)
    try:
        with workspace.lake.publish(VALID, product, str(session), version) as good:
            known = workspace.products
            judgement = judge(
                raw, known[product], session, good, bad, limits=limits, products=known
            )
            _stop_if_blocked(judgement)
    except _BlockedError as error:
        return error.judgement, None
    return judgement, good.published


def _stop_if_blocked(judgement: Judgement) -> None:
    if judgement.blocked:
        raise _BlockedError(judgement)


def _remember(workspace: Workspace, judgement: Judgement, product: str, session: date) -> None:
    workspace.store.record_quality(VALID, product, str(session), judgement.findings)
    hours = judgement.hours
    if hours is not None:
        workspace.store.record_session(
            product,
            str(session),
            label="complete" if hours.complete else "partial",
            open_ns=hours.open_ns,
            close_ns=hours.close_ns,
            first_ts=hours.first_ts,
            last_ts=hours.last_ts,
            instruments=hours.symbols,
        )


def current_split(workspace: Workspace, product: str, session: date) -> ValidatedTicks | None:
    """Return the split of the raw ticks as they are now, with its findings; None where none is."""
    inputs, config = inputs_of(workspace, product, session), config_of(workspace, product)
    if inputs is None:
        return None
    place = (product, str(session))
    valid = input_key(VALID, inputs, config)
    quarantined = current_outcome(
        workspace, QUARANTINE, *place, input_key(QUARANTINE, inputs, config)
    )
    validated = current_outcome(workspace, VALID, *place, valid)
    blocked = quarantined is not None and quarantined.details.get("blocked_version") == valid
    if quarantined is None or (validated is None and not blocked):
        return None
    findings = tuple(
        Finding(
            rule=row.rule,
            severity=row.severity,
            reason=row.reason,
            passed=row.passed,
            applicable=row.applicable,
            rows=row.rows,
            share=row.share,
            first_rows=tuple(row.first_rows),
        )
        for row in workspace.store.quality(product=product, session=str(session), asset=VALID)
    )
    reasons = tuple(
        f"{f.rule}: {f.reason}" for f in findings if blocked and f.rule in LIMITS and not f.passed
    )
    return ValidatedTicks(validated, quarantined, findings, reasons)
