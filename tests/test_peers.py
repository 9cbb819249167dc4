"""A peer is known by its community or its TLS certificate, and has a dialect."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import PeerSection, SettingsError, WaySection
from gateway.domain import Caller, CommunityId, DocumentClass, TreatmentRelation
from gateway.peers import PeerBook, load_profile, peer_of_section
from gateway.wire.fhir.tokens import TokenForm
from gateway.wire.soap.refusals import ErrorStyle


def test_the_two_profiles_differ_in_style_relation_and_codes() -> None:
    """What the peers of each world expect."""
    ihe, ehdsi = load_profile("ihe"), load_profile("ehdsi")
    assert (ihe.error_style, ehdsi.error_style) == (ErrorStyle.IHE, ErrorStyle.EHDSI)
    assert ihe.treatment_relation is TreatmentRelation.RESOURCE_ID
    assert ehdsi.treatment_relation is TreatmentRelation.TRC
    assert ehdsi.class_codes[DocumentClass.MANIFEST][0].value == "x-clinical-image"
    assert ehdsi.one_document_per_retrieve
    assert ihe.home_required


def test_a_profile_of_your_own_is_a_file(tmp_path: Path) -> None:
    """Copied, changed, named in the settings."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'error_style = "ihe"\ntreatment_relation = "none"\nhome_required = false\n'
        "one_document_per_retrieve = true\nrefuse_unknown_class = false\n"
        'warn_when_empty = false\naudience = "urn:me"\n[class_codes]\nreport = []\n'
    )
    assert load_profile(str(path)).audience == "urn:me"


@pytest.mark.parametrize("text", ["error_style = 'rude'", "nonsense = 1", "not toml"])
def test_a_profile_that_makes_no_sense_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """The file and the key are named."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"mine\.toml"):
        load_profile(str(path))
    with pytest.raises(SettingsError, match="not known"):
        load_profile("unheard-of")


def test_a_peer_may_depart_from_its_profile() -> None:
    """The relation and the reuse of assertions are set per peer."""
    section = PeerSection(
        name="B",
        community="2.999.2",
        profile="ehdsi",
        treatment_relation="none",
        assertions="single-use",
    )
    peer = peer_of_section(section)
    assert peer.treatment_relation is TreatmentRelation.NONE
    assert peer.single_use


def test_a_caller_is_known_by_its_certificate_and_a_stranger_is_served_by_default() -> None:
    """Any number of communities; none of them is called A or B."""
    sections = [
        PeerSection(
            name=f"peer {n}", community=f"2.999.{n}", profile="ehdsi", tls_subjects=(f"CN=gw{n}",)
        )
        for n in range(1, 4)
    ]
    book = PeerBook.of_sections(sections, "ihe")
    assert book.caller(Caller(subject="CN=gw2")).community == "2.999.2"
    stranger = book.caller(Caller(subject="CN=nobody"))
    assert stranger.community is None
    assert stranger.profile.error_style is ErrorStyle.IHE
    third = book.community(CommunityId("2.999.3"))
    assert third is not None
    assert third.name == "peer 3"
    assert book.community(CommunityId("2.999.9")) is None


@pytest.mark.parametrize("key", ["community", "tls_subjects"])
def test_two_peers_that_cannot_be_told_apart_are_refused(key: str) -> None:
    """One would be asked, or believed to call, in place of the other."""
    alike: dict[str, dict[str, object]] = {
        "community": {"url": "https://a.example/x"},
        "tls_subjects": {"tls_subjects": ("CN=b",)},
    }
    sections = [
        PeerSection.model_validate({"name": name, "community": community, **alike[key]})
        for name, community in (("b", "2.999.2"), ("c", "2.999.2"))
    ]

    with pytest.raises(SettingsError, match=key):
        PeerBook.of_sections(sections, "ihe")


def test_a_peer_may_be_asked_in_several_ways() -> None:
    """Each by its name; everything but the wires is the peer's own."""
    ways = ({"name": "soap"}, {"name": "mixed", "documents_by": "fhir", "fhir_dialect": "ncp"})
    section = PeerSection.model_validate(
        {"name": "A", "community": "2.999.1.1", "fhir_url": "https://a.example/fhir", "ways": ways}
    )

    peer = peer_of_section(section)
    mixed = peer.asked_by(peer.ways[1])

    assert [way.name for way in peer.ways] == ["soap", "mixed"]
    assert (mixed.identify_by, mixed.documents_by, mixed.fhir_dialect) == ("soap", "fhir", "ncp")
    assert (mixed.name, mixed.community, mixed.fhir_url) == ("A", "2.999.1.1", peer.fhir_url)


@pytest.mark.parametrize(
    ("ways", "words"),
    [
        (({"name": "x", "documents_by": "fhir"},), "fhir_url"),
        (({"name": "x"}, {"name": "x"}), "more than one way"),
    ],
)
def test_ways_that_cannot_be_gone_are_refused(ways: object, words: str) -> None:
    """Without an address, or without a name of their own."""
    section = PeerSection.model_validate({"name": "A", "community": "2.999.1", "ways": ways})
    with pytest.raises(SettingsError, match=words):
        peer_of_section(section)


def test_a_way_may_lead_elsewhere_and_a_peer_be_asked_without_soap() -> None:
    """Such as through a bridge; a way over SOAP needs an address of its own then."""
    rest = PeerSection(
        name="A",
        community="2.999.1",
        fhir_url="https://a.example/fhir",
        dicomweb_url="https://a.example/dicom-web",
        identify_by="fhir",
        documents_by="fhir",
        images_by="wado-rs",
        ways=(WaySection(name="bridge", url="https://bridge.example/x"),),
    )

    peer = peer_of_section(rest)
    through = peer.asked_by(peer.ways[0])

    assert peer.is_asked
    assert (through.url, through.fhir_url) == ("https://bridge.example/x", peer.fhir_url)
    with pytest.raises(SettingsError, match="by its way 'soap'"):
        peer_of_section(rest.model_copy(update={"ways": (WaySection(name="soap"),)}))


def test_images_may_be_asked_for_at_another_address() -> None:
    """Of the peer, or of a way; a way that leads elsewhere has its images there."""
    section = PeerSection(
        name="A",
        community="2.999.1",
        url="https://a.example/x",
        images_url="https://images.example/x",
        ways=(
            WaySection(name="same"),
            WaySection(name="own", images_url="https://way.example/x"),
            WaySection(name="bridge", url="https://bridge.example/x"),
        ),
    )

    peer = peer_of_section(section)

    assert peer.images_url == "https://images.example/x"
    assert [peer.asked_by(way).images_url for way in peer.ways] == [
        "https://images.example/x",
        "https://way.example/x",
        "",
    ]


def test_a_peer_to_be_asked_over_fhir_needs_an_address_there() -> None:
    """The key that is missing is named before anybody is asked."""
    section = PeerSection(name="A", community="2.999.1.1", identify_by="fhir")
    with pytest.raises(SettingsError, match="fhir_url"):
        peer_of_section(section)
    there = section.model_copy(update={"fhir_url": "https://a.example/fhir/"})
    assert peer_of_section(there).fhir_url == "https://a.example/fhir"


def test_a_peer_sealing_tokens_needs_a_secret_nobody_guesses(tmp_path: Path) -> None:
    """Refused at the start, by the key and the peer's name; never printed."""
    path = tmp_path / "secret"
    section = {"name": "B", "community": "2.999.2", "token_form": "openncp"}

    for content, words in ((None, "not set"), (b"changeme", "8 bytes"), (b"ab" * 40, "different")):
        given = dict(section)
        if content is not None:
            path.write_bytes(content)
            given["token_secret"] = str(path)
        with pytest.raises(SettingsError, match=words) as caught:
            peer_of_section(PeerSection.model_validate(given))
        assert "'B'" in str(caught.value)
        assert content is None or content.decode() not in str(caught.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        peer_of_section(
            PeerSection.model_validate(section | {"token_secret": str(tmp_path / "gone")})
        )

    path.write_bytes(bytes(range(64)) + b"\n")
    peer = peer_of_section(PeerSection.model_validate(section | {"token_secret": str(path)}))
    assert peer.token_form is TokenForm.OPENNCP
    assert len(peer.token_secret) >= 64
    assert "token_secret" not in repr(peer)
