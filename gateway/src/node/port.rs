//! A line of RTU meters: a serial port, or a serial server behind TCP.
//!
//! It opens when it is needed, closes at the first error, and after a failure leaves the
//! other side alone for [`REST`]: thirty meters behind a converter that is switched off
//! must not wait thirty times for it.

use std::io;
use std::net::SocketAddr;

use embassy_time::{Duration, Instant, with_timeout};
use embedded_io_adapters::tokio_1::FromTokio;
use embedded_io_async::{ErrorType, Read, Write};
use firmware::rtu::Port;
use tokio::net::TcpStream;
use tokio_serial::{SerialPort as _, SerialPortBuilderExt as _, SerialStream};
use wire::modbus::{LineSettings, Parity};

/// How long a serial server may take to let us in.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// How long a line that could not be opened is left alone.
pub(super) const REST: Duration = Duration::from_secs(1);

enum Place {
    Tcp(SocketAddr),
    Serial(String),
}

enum Stream {
    Tcp(FromTokio<TcpStream>),
    Serial { stream: FromTokio<SerialStream>, line: LineSettings },
}

/// A line that opens when it is needed.
pub(super) struct LinePort {
    place: Place,
    stream: Option<Stream>,
    rest_until: Option<Instant>,
}

impl LinePort {
    pub(super) fn tcp(address: SocketAddr) -> Self {
        Self { place: Place::Tcp(address), stream: None, rest_until: None }
    }

    pub(super) fn serial(path: String) -> Self {
        Self { place: Place::Serial(path), stream: None, rest_until: None }
    }

    async fn connect(&self, line: &LineSettings) -> io::Result<Stream> {
        match &self.place {
            Place::Tcp(address) => {
                let connected = with_timeout(CONNECT_MAX, TcpStream::connect(address)).await;
                let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                // A request is eight bytes: waiting for more would only delay it.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(FromTokio::new(stream)))
            }
            Place::Serial(path) => {
                let builder = tokio_serial::new(path, line.baud)
                    .parity(parity(line.parity))
                    .stop_bits(stop_bits(line.stop_bits));
                let stream = FromTokio::new(builder.open_native_async()?);
                Ok(Stream::Serial { stream, line: *line })
            }
        }
    }

    /// Closes the line after an error, so that the next request opens it again.
    fn keep<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }
}

fn parity(parity: Parity) -> tokio_serial::Parity {
    match parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    }
}

fn stop_bits(stop_bits: u8) -> tokio_serial::StopBits {
    if stop_bits == 2 { tokio_serial::StopBits::Two } else { tokio_serial::StopBits::One }
}

fn set(port: &mut SerialStream, line: &LineSettings) -> io::Result<()> {
    port.set_baud_rate(line.baud)?;
    port.set_parity(parity(line.parity))?;
    port.set_stop_bits(stop_bits(line.stop_bits))?;
    Ok(())
}

fn closed() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl ErrorType for LinePort {
    type Error = io::Error;
}

impl Port for LinePort {
    async fn open(&mut self, line: &LineSettings) -> io::Result<()> {
        match &mut self.stream {
            Some(Stream::Tcp(_)) => return Ok(()),
            Some(Stream::Serial { stream, line: current }) => {
                if current == line {
                    return Ok(());
                }
                let outcome = set(stream.inner_mut(), line);
                *current = *line;
                return self.keep(outcome);
            }
            None => {}
        }
        if self.rest_until.is_some_and(|until| Instant::now() < until) {
            return Err(closed());
        }
        let connected = self.connect(line).await;
        self.rest_until = connected.is_err().then(|| Instant::now() + REST);
        self.stream = Some(connected?);
        Ok(())
    }
}

impl Read for LinePort {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let outcome = match &mut self.stream {
            Some(Stream::Tcp(stream)) => stream.read(buf).await,
            Some(Stream::Serial { stream, .. }) => stream.read(buf).await,
            None => Err(closed()),
        };
        // The other side hung up.
        let outcome = outcome.and_then(|count| if count == 0 { Err(closed()) } else { Ok(count) });
        self.keep(outcome)
    }
}

impl Write for LinePort {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let outcome = match &mut self.stream {
            Some(Stream::Tcp(stream)) => stream.write(buf).await,
            Some(Stream::Serial { stream, .. }) => stream.write(buf).await,
            None => Err(closed()),
        };
        self.keep(outcome)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let outcome = match &mut self.stream {
            Some(Stream::Tcp(stream)) => stream.flush().await,
            Some(Stream::Serial { stream, .. }) => stream.flush().await,
            None => Err(closed()),
        };
        self.keep(outcome)
    }
}
