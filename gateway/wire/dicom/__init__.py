"""The DICOM family: data sets, instances and key object manifests."""
