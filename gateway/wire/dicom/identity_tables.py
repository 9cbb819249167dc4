"""Which attributes of an instance name people, places and devices: tables for `deidentify`.

Made with the basic profile of DICOM PS3.15 annex E as the guide, and stricter where a whole group
serves nothing but administration. What is kept on purpose: dates and times, UIDs, and the words
that describe the study and its acquisition.
"""

from __future__ import annotations

# Groups that are removed whole: clinical trial, visit, requests, results, storage, print,
# encryption and signatures, and everything behind the pixel data.
REMOVED_GROUPS = frozenset(
    {0x0012, 0x0014, 0x0032, 0x0038, 0x0088, 0x0400, 0x2100, 0x2200, 0x4008, 0xFFFA, 0xFFFC}
)
# Curves and overlays, which repeat by group: drawn text would survive in them.
REPEATING_GROUPS = (0x5000, 0x6000)

# Elements removed wherever they stand, as inclusive ranges of tags.
REMOVED_RANGES: tuple[tuple[int, int], ...] = (
    (0x00080050, 0x00080051),  # accession number and issuer
    (0x00080054, 0x00080055),  # retrieve and station AE titles
    (0x00080080, 0x00080082),  # institution
    (0x00080090, 0x0008009D),  # referring and consulting physicians
    (0x00081010, 0x00081010),  # station name
    (0x00081040, 0x00081041),  # department
    (0x00081048, 0x00081072),  # physicians and operators
    (0x00081080, 0x00081084),  # admitting diagnoses
    (0x00081120, 0x00081120),  # referenced patient
    (0x00084000, 0x00084000),  # identifying comments
    (0x00100000, 0x0010FFFF),  # the patient, written anew
    (0x00181000, 0x00181002),  # device serial number and UID
    (0x00181004, 0x0018100A),  # plate, generator, cassette, gantry, unique device ids
    (0x00181010, 0x00181012),  # capture devices
    (0x00184000, 0x00184000),  # acquisition comments
    (0x0018700A, 0x0018700A),  # detector id
    (0x0018A001, 0x0018A003),  # contributing equipment
    (0x00200010, 0x00200010),  # study id
    (0x00203400, 0x00203406),  # modifying devices
    (0x00204000, 0x00204000),  # image comments
    (0x00209158, 0x00209158),  # frame comments
    (0x00284000, 0x00284000),  # image presentation comments
    (0x00400001, 0x00400100),  # scheduled steps, order identifiers
    (0x00400241, 0x00400243),  # performed station and location
    (0x00400253, 0x00400253),  # performed step id
    (0x00400275, 0x00400281),  # request attributes, comments on the step
    (0x00400310, 0x00400310),  # comments on radiation dose
    (0x00400500, 0x0040051F),  # container and specimen identifiers
    (0x00400551, 0x00400551),  # specimen identifier
    (0x00400560, 0x004005FF),  # specimens
    (0x004006FA, 0x004006FA),  # slide identifier
    (0x00401001, 0x00401001),  # requested procedure id
    (0x00401002, 0x00401400),  # the request: reason, priority, transport, people
    (0x00402001, 0x00402400),  # imaging service request, placer and filler numbers
    (0x00403001, 0x00403001),  # confidentiality constraint
    (0x00404000, 0x00404052),  # general purpose steps and their performers
    (0x0040A023, 0x0040A024),  # findings group recording
    (0x0040A027, 0x0040A027),  # verifying organisation
    (0x0040A073, 0x0040A07C),  # observers, participants, custodian
    (0x0040A088, 0x0040A088),  # verifying observer code
    (0x0040A307, 0x0040A307),  # current observer
    (0x0040A352, 0x0040A354),  # verbal source, address, telephone
    (0x0040A358, 0x0040A358),  # verbal source identification
    (0x0040A370, 0x0040A370),  # referenced request
    (0x00700084, 0x00700087),  # content creator
    (0x30060049, 0x3006004A),  # names of those who delineated
    (0x300A0002, 0x300A0002),  # plan label
    (0x300A0004, 0x300A0004),  # plan description
    (0x300E0004, 0x300E0008),  # review
)
# Patient characteristics that interpretation needs and that name nobody.
KEPT_OF_PATIENT = frozenset({0x00101020, 0x00101030})  # size and weight

# Value representations that are prose or names; removed but for the exceptions.
REMOVED_VRS = frozenset({"AE", "LT", "PN", "ST", "UN", "UT", "UR"})
KEPT_PROSE = frozenset(
    {
        0x00082111,  # derivation description: tells of lossy compression
        0x0040A123,  # person name in a report: replaced, for its item needs a value
        0x0040A160,  # text value in a report
        0x00700006,  # unformatted text of a presentation state
        0x0040E012,  # display URI
        0x00081190,  # retrieve URL
        0x00420010,  # title of a document inside
    }
)
# Text that may repeat what stood elsewhere; searched for it.
SEARCHED_VRS = frozenset({"LO", "SH", "UC", "LT", "ST", "UT", "UR"})
# Codes are searched neither for nor in: their meanings come from a vocabulary.
CODE_GROUP = (0x00080100, 0x00080124)
