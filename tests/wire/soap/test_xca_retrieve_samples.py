"""Retrieves of other projects, and answers: what each must be read as, or refused with.

One row a file, written from the file and from ITI TF-2 3.39 and 3.43, not from what our readers
make of it. Files with `$name$` are templates of a test tool, read as they lie: a placeholder is no
id, and what it stands for decides the refusal.
"""

from __future__ import annotations

import pytest

from gateway.domain import CommunityId, DocumentId, DocumentRef, ExchangeError, Oid, Refusal
from gateway.wire.soap import xca_retrieve
from tests.shared import shared
from tests.wire.soap.samples import (
    ASKED,
    ERROR,
    GERMANY,
    WARNING,
    Parts,
    Refused,
    Said,
    assert_parts,
    assert_refused,
    body_of,
)

SUMMARY_REPOSITORY = Oid("2.16.620.1.101.10.3.29.54290")
SUMMARIES = tuple(
    DocumentRef(GERMANY, SUMMARY_REPOSITORY, DocumentId(f"2.16.17.710.813.1000.990.1.1^PS.{form}"))
    for form in ("XML", "PDF")
)
TOOLKIT_DOCUMENT = (
    DocumentRef(CommunityId("1.2.3"), Oid("1.3.6.1.4.1000"), DocumentId("1.3.6.1.4.2300")),
    "text/xml",
    36,
    b"R0lGODlhcgGSALMAAAQCAEMmCZtuMFQxDS8b",
)
HOMELESS_DOCUMENT = (
    DocumentRef(ASKED, Oid("1.3.6.1.4.1000"), DocumentId("1.3.6.1.4.2300")),
    *TOOLKIT_DOCUMENT[1:],
)
BIG_ERROR = Said(severity=ERROR, code="MyBigError", words="My Prog")
TEMPLATE_OF_RETRIEVE = Refused(refusal=Refusal.UNKNOWN_COMMUNITY, subject="$docuid1$")
WITHOUT_HOME = Refused(refusal=Refusal.MISSING_COMMUNITY, subject="1.3.6.1.4...2300")

RETRIEVES: dict[str, tuple[DocumentRef, ...] | Refused] = {
    "iti-39/gematik-RetrieveDocumentSetRequest.xml": SUMMARIES,
    "iti-39/toolkit2-12308-12308-RetrieveDocumentSetRequest-1.xml": TEMPLATE_OF_RETRIEVE,
    "iti-39/toolkit2-12308-retrieve_one-RetrieveDocumentSetRequest-2.xml": TEMPLATE_OF_RETRIEVE,
    "iti-39/toolkit2-12308-retrieve_two-RetrieveDocumentSetRequest-3.xml": TEMPLATE_OF_RETRIEVE,
    # ITI-43 inside a community names no home; between gateways one is needed.
    "iti-39/toolkit2-soap-ret-req-order.xml": WITHOUT_HOME,
    "iti-39/toolkit2-soap-ret-req.xml": WITHOUT_HOME,
    "iti-39/toolkit2-soap-xcr-req.xml": (
        DocumentRef(CommunityId("1.2.3.5"), Oid("1.3.6.1.4.1000"), DocumentId("1.3.6.1.4.2300")),
        DocumentRef(CommunityId("1.2.3.5"), Oid("1.3.6.1.4.2000"), DocumentId("1.3.6.1.4.2301")),
    ),
}

DOCUMENTS: dict[str, Parts | Refused] = {
    "iti-39/gematik-RetrieveDocumentSetResponse.xml": Parts(
        documents=(
            (SUMMARIES[0], "text/xml", 64914, b"\n\n<ClinicalDocument"),
            (SUMMARIES[1], "application/pdf", 72743, b"%PDF-1.7"),
        )
    ),
    "iti-39/gematik-RetrieveDocumentSetResponse_020.xml": Refused(
        refusal=Refusal.UNKNOWN_DOCUMENT, code="ERROR_GENERIC_DOCUMENT_MISSING", words="any text"
    ),
    "iti-39/gematik-RetrieveDocumentSetResponse_032.xml": Refused(
        refusal=Refusal.NO_CONSENT, code="ERROR_NO_CONSENT", words="any text"
    ),
    # The ids are shortened with dots: no repository has such a name, so neither is a document.
    "iti-39/toolkit2-soap-ret-resp.xml": Parts(
        said=(
            Said(severity=ERROR, subject="1.3.6.1.4...2300", words="1.3.6.1.4...1000"),
            Said(severity=ERROR, subject="1.3.6.1.4...2300", words="1.3.6.1.4...1000"),
        )
    ),
    "iti-39/toolkit2-soap-xret-resp.xml": Parts(documents=(TOOLKIT_DOCUMENT, TOOLKIT_DOCUMENT)),
    "iti-39/toolkit2-soap-xret-resp-error.xml": Parts(
        documents=(TOOLKIT_DOCUMENT, TOOLKIT_DOCUMENT), said=(BIG_ERROR,)
    ),
    "iti-39/toolkit2-soap-xret-resp-homeless.xml": Parts(
        documents=(HOMELESS_DOCUMENT, TOOLKIT_DOCUMENT),
        said=(
            BIG_ERROR,
            Said(severity=WARNING, subject="1.3.6.1.4.2300", words="HomeCommunityId is missing"),
        ),
    ),
}


@pytest.mark.parametrize("name", RETRIEVES)
def test_retrieves_name_what_their_text_says(name: str) -> None:
    """Each retrieve of another project names its documents, or is refused as its row says."""
    body, expected = body_of(shared(f"samples/soap/{name}")), RETRIEVES[name]

    if isinstance(expected, Refused):
        with pytest.raises(ExchangeError) as refused:
            xca_retrieve.decode_request(body, home_required=True)
        assert_refused(refused.value, expected)
    else:
        assert xca_retrieve.decode_request(body, home_required=True) == expected


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_those_of_the_text(name: str) -> None:
    """Each answer with documents holds what its row says, or is the refusal."""
    body, expected = body_of(shared(f"samples/soap/{name}")), DOCUMENTS[name]

    if isinstance(expected, Refused):
        with pytest.raises(ExchangeError) as refused:
            xca_retrieve.decode_response(body, default_home=ASKED)
        assert_refused(refused.value, expected)
    else:
        assert_parts(xca_retrieve.decode_response(body, default_home=ASKED), expected)
