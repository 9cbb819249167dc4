"""Small DICOM files for tests, written by pydicom."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from gateway.domain import InstanceRef


@lru_cache(maxsize=256)
def file_of(ref: InstanceRef) -> bytes:
    """A CT image of four pixels under the UIDs given."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", ref.instance
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = ref.study, ref.series, "CT"
    ds.PatientID, ds.PatientName = "A-0001", "Papadaki^Anna"
    ds.Rows = ds.Columns = 2
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.add_new(0x7FE00010, "OW", b"\1\2" * 4)
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()
