"""The tables of a DocumentReference agree with the domain and with each other."""

from __future__ import annotations

from gateway.domain import AssociationKind, DocumentClass
from gateway.domain.codes import CLASS_IMAGES, CLASS_REPORTS
from gateway.wire.fhir import document_reference_terms as terms


def test_every_association_and_every_class_has_its_row() -> None:
    """A new member of either needs one here."""
    assert set(terms.RELATIONS) == set(AssociationKind)
    assert set(terms.CATEGORIES) == set(DocumentClass)


def test_a_relation_is_read_as_a_kind_that_is_written_so() -> None:
    """Transform-and-replace is a replacement in FHIR."""
    for code, kind in terms.RELATION_KINDS.items():
        assert terms.RELATIONS[kind] == code
    assert set(terms.RELATIONS.values()) == set(terms.RELATION_KINDS)


def test_a_category_that_is_shown_is_found() -> None:
    """What images and reports show beside their class is searched for by their classes."""
    searched = dict(terms.CATEGORY_CLASSES)

    for kind, own in (
        (DocumentClass.MANIFEST, CLASS_IMAGES),
        (DocumentClass.REPORT, CLASS_REPORTS),
    ):
        for shown in terms.CATEGORIES[kind]:
            assert own in searched[shown]
