-- Months whose readings were given up. The sums of their days stay and are not made anew
-- from what may come later.
CREATE TABLE given_up (month INTEGER PRIMARY KEY) STRICT;
