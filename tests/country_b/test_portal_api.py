"""The portal API over an Exchange in memory: what a health professional's system sees."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import (
    Document,
    DocumentId,
    NotAllowed,
    NotNow,
    PeerMisbehaved,
    PurposeOfUse,
    Refusal,
    Uid,
)
from tests.country_b.portal import IDENTIFY, MANIFEST, REPORT, STUDY, Visit, portal
from tests.fakes import (
    COUNTRY_A,
    make_entry,
    make_house,
    make_identity,
    make_study,
    manifest_bytes,
)


async def test_ten_steps_end_to_end(tmp_path: Path) -> None:
    """A visit goes through all ten steps, and its journal says so in order."""
    exchange = make_house()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = await visit.images()
        report = await client.get(f"{visit.path}/documents/{REPORT}")
        image = await client.get(f"{visit.path}/instances/{STUDY}.1.1")
        await visit.post("use", {"note": "compared with today's examination"})
        closed = await visit.post("close", {"retention_note": "ten years, law of XB"})
        kept = await visit.get("/kept")

        assert job["state"] == "complete"
        assert (job["asked"], job["received"], job["missing"]) == (6, 6, [])
        assert job["bytes"] == 6 * 1000
        assert await report.read() == b"%PDF-1.7 a report"
        assert report.headers["Content-Type"] == "application/pdf"
        assert await image.read() == exchange.instances[Uid(f"{STUDY}.1.1")]
        assert image.headers["Content-Type"] == "application/dicom"
        done = [line["action"] for line in closed["steps"] if line["outcome"] == "done"]
        assert [step for step, _ in itertools.groupby(done)] == [
            "open", "sign-in", "inform", "purpose", "identify", "confirm", "list",
            "retrieve", "images", "present", "use", "close",
        ]  # fmt: skip
        assert {item["retention"] for item in kept["instances"]} == {"ten years, law of XB"}
        assert [verb for verb, _, _ in exchange.calls] == ["identify", "find", "retrieve", "images"]


async def test_context_says_who_asks_for_whom(tmp_path: Path) -> None:
    """Every verb carries professional, purpose and correlation id; the patient once confirmed."""
    exchange = make_house()
    async with portal(exchange, tmp_path) as client:
        await Visit(client).listed()

    (_, _, identifying), (_, _, finding) = exchange.calls
    assert identifying.patient is None
    assert finding.patient == make_identity().id
    assert finding.professional.name.family == "Ozola"
    assert finding.purpose is PurposeOfUse.TREATMENT
    assert finding.answering == COUNTRY_A
    assert identifying.correlation_id != finding.correlation_id


@pytest.mark.parametrize(
    ("action", "needed"),
    [
        ("inform", "sign-in"),
        ("identify", "sign-in"),
        ("list", "sign-in"),
        ("retrieve", "sign-in"),
        ("images", "sign-in"),
        ("use", "sign-in"),
    ],
)
async def test_step_out_of_order_names_the_missing_step(
    tmp_path: Path, action: str, needed: str
) -> None:
    """A step before its time is a conflict that names what must come first."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).open()

        answer = await visit.post(action, status=409)

        assert answer["refusal"] == "step-out-of-order"
        assert answer["needed"] == needed
        assert repr(needed) in answer["text"]


async def test_every_problem_of_a_body_is_named(tmp_path: Path) -> None:
    """All fields that cannot be used are listed at once, unknown ones included."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).open()

        answer = await visit.post(
            "sign-in",
            {"id": "", "given": "Ilze", "facility_type": "Ship", "colour": "red"},
            status=400,
        )

        assert answer["refusal"] == "malformed-request"
        assert set(answer["fields"]) >= {
            "id", "family", "given", "role", "organisation", "facility_type", "colour",
            "permissions", "locality",
        }  # fmt: skip


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000, b'"text"'])
async def test_body_that_is_no_object_is_refused(tmp_path: Path, body: bytes) -> None:
    """What is not a JSON object is refused in words, whatever it is."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).open()

        response = await client.post(f"{visit.path}/sign-in", data=body)

        assert response.status == 400
        assert "body" in (await response.json())["fields"]


async def test_body_over_the_limit_is_refused(tmp_path: Path) -> None:
    """A body larger than the limit is refused before it is read."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).open()

        response = await client.post(
            f"{visit.path}/sign-in", data=io.BytesIO(b" " * (3 * 1024 * 1024))
        )

        assert response.status == 413
        assert (await response.json())["refusal"] == "too-large"


async def test_unknown_visit_is_not_found(tmp_path: Path) -> None:
    """A visit nobody opened is not there."""
    async with portal(make_house(), tmp_path) as client:
        answer = await Visit(client).call("GET", "/api/sessions/none", status=404)

        assert answer["refusal"] == "unknown-session"


async def test_unknown_patient_is_not_found(tmp_path: Path) -> None:
    """Nobody who fits is a refusal with words for the professional, and the visit goes on."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).prepared()

        answer = await visit.post(
            "identify",
            IDENTIFY | {"ids": [{"value": "P-9", "authority": "2.999.1.1.1"}]},
            status=404,
        )

        assert answer["refusal"] == "unknown-patient"
        assert answer["who_can_fix"].startswith("you and the patient")
        assert answer["correlation_id"]
        assert (await visit.get())["state"] == "purpose-recorded"
        assert (await visit.get())["steps"][-1]["outcome"] == "refused"
        await visit.post("identify", IDENTIFY)


async def test_several_matches_need_a_choice(tmp_path: Path) -> None:
    """Where two patients fit, one must be named; nobody is chosen for the professional."""
    exchange = make_house()
    exchange.patients = (make_identity("P-1"), make_identity("P-2"))
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).prepared()
        found = await visit.post("identify", {"community": str(COUNTRY_A), "family": "Borg"})

        unchosen = await visit.post("confirm", status=409)
        stranger = await visit.post(
            "confirm", {"patient": {"value": "P-3", "authority": "2.999.1.1.1"}}, status=400
        )
        confirmed = await visit.post("confirm", {"patient": found["candidates"][1]["patient"]})

        assert len(found["candidates"]) == 2
        assert unchosen["refusal"] == "ambiguous-patient"
        assert "patient" in stranger["fields"]
        assert confirmed["patient"]["patient"]["value"] == "P-2"


async def test_unknown_country_is_refused(tmp_path: Path) -> None:
    """A community we have no way to is not found here."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).prepared()

        answer = await visit.post("identify", IDENTIFY | {"community": "2.999.77"}, status=404)

        assert answer["refusal"] == "unknown-community"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotAllowed(Refusal.NO_CONSENT, "no consent", code="4701"), 403),
        (NotNow(Refusal.PEER_UNREACHABLE, "nobody answers"), 503),
        (NotNow(Refusal.PEER_TIMEOUT, "too slow"), 504),
        (PeerMisbehaved(Refusal.PEER_MISBEHAVED, "not XML"), 502),
    ],
)
async def test_refusal_of_the_peer_reaches_the_professional(
    tmp_path: Path, error: Any, status: int
) -> None:
    """Reason, words, the peer's own code and who can fix it: all are in the answer."""
    exchange = make_house()
    exchange.refusals["find"] = error
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).confirmed()

        answer = await visit.post("list", status=status)

        assert answer["refusal"] == error.refusal.value
        assert answer["text"] == error.text
        assert answer["code"] == error.code
        assert answer["who_can_fix"]
        assert (await visit.get())["state"] == "confirmed"


async def test_rows_carry_article_10_and_link_both_ways(tmp_path: Path) -> None:
    """A row shows all eight values, and study and report name each other."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).confirmed()

        listed = await visit.post("list")

        study = next(row for row in listed["rows"] if row["document_class"] == "manifest")
        report = next(row for row in listed["rows"] if row["document_class"] == "report")
        assert [code["value"] for code in study["modalities"]] == ["CT"]
        assert study["performed"] == "2026-03-04T10:11:12Z"
        assert study["regions"][0]["display"] == "Upper trunk"
        assert study["procedures"][0]["value"] == "24627-2"
        assert study["studies"] == [STUDY]
        assert study["accessions"] == [{"value": "ACC-1", "authority": "2.999.1.1.5"}]
        assert study["orders"][0]["value"] == "ORD-1"
        assert study["documents"][0]["format"]["value"] == "1.2.840.10008.5.1.4.1.1.88.59"
        assert (study["author"], study["organisation"]) == (
            "Marija Vella", "Hospital of the Harbour",
        )  # fmt: skip
        assert study["reports"] == [report["id"]]
        assert report["images"] == [study["id"]]


async def test_one_row_for_a_study_with_two_manifests(tmp_path: Path) -> None:
    """Two manifests of one study are one row that offers both."""
    exchange = make_house()
    second = make_entry("2.999.7.1.1001", b"other", title="Same study, other form")
    exchange.entries += (second,)
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).confirmed()

        listed = await visit.post("list")

        studies = [row for row in listed["rows"] if row["document_class"] == "manifest"]
        assert len(studies) == 1
        assert {item["id"] for item in studies[0]["documents"]} == {MANIFEST, "2.999.7.1.1001"}


async def test_list_is_presented_again_without_asking(tmp_path: Path) -> None:
    """Sorting, grouping and searching use the list that is here."""
    exchange = make_house()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()

        grouped = await visit.get("/list?group=class&sort=title")
        found = await visit.get("/list?search=report")
        wrong = await visit.get("/list?sort=colour&page=2", status=400)

        assert [group["label"] for group in grouped["groups"]] == ["manifest", "report"]
        assert [row["id"] for row in found["rows"]] == [REPORT]
        assert found["rows"][0]["images"] == [MANIFEST]
        assert set(wrong["fields"]) == {"sort", "page"}
        assert [verb for verb, _, _ in exchange.calls] == ["identify", "find"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"document_class": "report"}, {REPORT}),
        ({"document_class": "manifest"}, {MANIFEST}),
        ({"modality": "CT"}, {MANIFEST, REPORT}),
        ({"modality": "MR"}, set()),
        ({"region": "67734004"}, {MANIFEST, REPORT}),
        ({"region": {"value": "774007", "scheme": "2.16.840.1.113883.6.96"}}, set()),
        ({"performed_from": "2026-03-04", "performed_to": "2026-03-04"}, {MANIFEST, REPORT}),
        ({"performed_from": "2026-03-05"}, set()),
        ({"study": STUDY}, {MANIFEST, REPORT}),
        ({"study": "2.999.7.2"}, set()),
        ({"accession": {"value": "ACC-1"}}, {MANIFEST, REPORT}),
        ({"accession": {"value": "ACC-1", "authority": "2.999.1"}}, set()),
        ({"order": {"value": "ORD-1", "authority": "2.999.1.1.6"}}, {MANIFEST, REPORT}),
        ({"procedure": {"value": "24627-2", "scheme": "2.16.840.1.113883.6.1"}},
         {MANIFEST, REPORT}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ignores", [False, True])
async def test_filter_holds_whether_or_not_the_peer_heeds_it(
    tmp_path: Path, filters: dict[str, Any], expected: set[str], ignores: bool
) -> None:
    """Each filter of Article 10 gives the same rows even if the other country ignores it."""
    exchange = make_house()
    exchange.ignores_filters = ignores
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).confirmed()

        listed = await visit.post("list", filters)

        assert {row["id"] for row in listed["rows"]} == expected
        assert bool(listed["dropped"]) == (ignores and len(expected) < 2)


async def test_entry_of_another_patient_is_never_shown(tmp_path: Path) -> None:
    """An entry of somebody else is left out, and the answer says that something was."""
    exchange = make_house()
    exchange.ignores_filters = True
    exchange.entries += (make_entry("2.999.8.9", b"x", patient=make_identity("P-2").id),)
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).confirmed()

        listed = await visit.post("list")

        assert "2.999.8.9" not in {row["id"] for row in listed["rows"]}
        assert listed["dropped"] == {"patient": 1}
        assert listed["issues"][0]["refusal"] == "peer-misbehaved"


async def test_damaged_document_is_set_aside(tmp_path: Path) -> None:
    """Bytes that differ from what the list announced are kept aside and never handed out."""
    exchange = make_house()
    exchange.documents[DocumentId(REPORT)] = b"%PDF-1.7 A report"
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()

        answer = await visit.post("retrieve", {"documents": [MANIFEST, REPORT]})
        refused = await visit.get(f"/documents/{REPORT}", status=502)

        by_id = {item["id"]: item for item in answer["documents"]}
        assert not answer["complete"]
        assert by_id[MANIFEST]["status"] == "good"
        assert by_id[REPORT]["status"] == "set-aside"
        assert by_id[REPORT]["problem"]["refusal"] == "integrity-failed"
        assert refused["refusal"] == "integrity-failed"
        assert [path.read_bytes() for path in (tmp_path / "quarantine").glob("*/*")] == [
            b"%PDF-1.7 A report"
        ]


async def test_document_of_another_size_is_set_aside(tmp_path: Path) -> None:
    """A size other than announced is named; with nothing good the visit has not moved on."""
    exchange = make_house()
    exchange.documents[DocumentId(REPORT)] = b"%PDF"
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()

        answer = await visit.post("retrieve", {"documents": [REPORT]})

        assert answer["documents"][0]["problem"]["text"] == ("4 bytes came, the list announced 17")
        assert answer["state"] == "listed"


async def test_missing_document_is_named(tmp_path: Path) -> None:
    """One of two that does not come is named with the peer's code; the other is good."""
    exchange = make_house()
    del exchange.documents[DocumentId(REPORT)]
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()

        answer = await visit.post("retrieve", {"documents": [MANIFEST, REPORT]})

        report = answer["documents"][1]
        assert (report["status"], report["problem"]["code"]) == (
            "missing", "XDSDocumentUniqueIdError",
        )  # fmt: skip
        assert not answer["complete"]


async def test_document_nobody_asked_for_is_not_kept(tmp_path: Path) -> None:
    """A document beside the ones asked for is reported and thrown away."""
    exchange = make_house()
    ref = replace(exchange.entries[0].ref, document=DocumentId("2.999.66"))
    exchange.extra_documents = (Document.of_bytes(ref, "text/html", b"<script>"),)
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()

        answer = await visit.post("retrieve", {"documents": [REPORT]})
        kept = await visit.get("/kept")

        assert answer["issues"][0]["subject"] == "2.999.66"
        assert [item["id"] for item in kept["documents"]] == [REPORT]


@pytest.mark.parametrize("kind", ["patient", "study", "nonsense"])
async def test_manifest_that_does_not_belong_is_set_aside(tmp_path: Path, kind: str) -> None:
    """A manifest of another patient or study, or none at all, is not followed."""
    exchange = make_house()
    manifest = make_study()
    if kind == "patient":
        patient = replace(manifest.patient, ids=(make_identity("P-2").id,))
        data = manifest_bytes(replace(manifest, patient=patient))
    elif kind == "study":
        data = manifest_bytes(replace(manifest, study=Uid("2.999.7.5")))
    else:
        data = b"nonsense"
    exchange.documents[DocumentId(MANIFEST)] = data
    exchange.entries = (make_entry(MANIFEST, data), exchange.entries[1])
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()

        answer = await visit.post("retrieve", {"documents": [MANIFEST, REPORT]})
        refused = await visit.post("images", {"study": STUDY}, status=404)

        assert answer["documents"][0]["status"] == "set-aside"
        assert refused["refusal"] == "unknown-document"


async def test_document_outside_the_list_is_not_asked_for(tmp_path: Path) -> None:
    """Only what the last list shows can be retrieved."""
    exchange = make_house()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()

        answer = await visit.post("retrieve", {"documents": ["2.999.55"]}, status=404)

        assert (answer["refusal"], answer["subject"]) == ("unknown-document", "2.999.55")
        assert [verb for verb, _, _ in exchange.calls] == ["identify", "find"]


async def test_close_without_keeping_removes_everything(tmp_path: Path) -> None:
    """What need not be kept is gone from disk and index, and nothing more can be done."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).retrieved()
        await visit.images()

        closed = await visit.post("close", {"keep": False})
        after = await visit.post("list", status=409)
        kept = await visit.get("/kept")

        assert closed["state"] == "closed"
        assert "open a new one" in after["text"]
        assert kept == {"documents": [], "instances": []}
        assert list((tmp_path / "kept").glob("*/*")) == []


async def test_closing_what_is_kept_needs_a_note(tmp_path: Path) -> None:
    """The retention note is a duty where things stay."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).retrieved()

        answer = await visit.post("close", status=400)

        assert answer["fields"] == {"retention_note": "is needed"}


async def test_visits_outlive_the_process(tmp_path: Path) -> None:
    """A portal started anew knows the visit, its list and what was retrieved."""
    exchange = make_house()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
    async with portal(exchange, tmp_path) as client:
        again = Visit(client)
        again.path = visit.path

        shown = await again.get()
        listed = await again.get("/list")
        report = await client.get(f"{visit.path}/documents/{REPORT}")

        assert shown["state"] == "retrieved"
        assert len(listed["rows"]) == 2
        assert await report.read() == b"%PDF-1.7 a report"


async def test_health_and_communities(tmp_path: Path) -> None:
    """Health says how full the store is; communities say who can be asked."""
    async with portal(make_house(), tmp_path) as client:
        health = await Visit(client).call("GET", "/health")
        communities = await Visit(client).call("GET", "/api/communities")

        assert health["status"] == "ok"
        assert health["store"]["documents"] == 0
        assert [item["id"] for item in communities["communities"]] == [str(COUNTRY_A)]


async def test_answers_are_not_cached_and_carry_their_correlation_id(tmp_path: Path) -> None:
    """Every answer has its correlation id and says that it must not be stored."""
    async with portal(make_house(), tmp_path) as client:
        response = await client.get("/nowhere")

        assert response.status == 404
        assert response.headers["Cache-Control"] == "no-store"
        assert (await response.json())["correlation_id"] == response.headers["X-Correlation-Id"]
