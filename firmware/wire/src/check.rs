//! The check sum of what is kept in flash and of plans.

/// Goes on with a check sum from 0: CRC-32 as of Ethernet.
#[must_use]
pub fn crc32(sum: u32, bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
    let byte = |sum: u32, &byte: &u8| (0..8).fold(sum ^ u32::from(byte), |sum, _| step(sum));
    !bytes.iter().fold(!sum, byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_sum_is_that_of_ethernet_also_in_parts() {
        // The check value of CRC-32/ISO-HDLC in Koopman's and Williams' tables.
        assert_eq!(crc32(0, b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xCBF4_3926);
    }
}
