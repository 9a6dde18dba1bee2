-- How `data` is written. From form 2 on it begins with the names of the slice's meters, so
-- that a start need not read and compare them one by one; the checksum holds the form too.
ALTER TABLE snapshot ADD COLUMN form INTEGER NOT NULL DEFAULT 1;
