//! The store on disks that fail.
