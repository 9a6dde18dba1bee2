//! Modbus TCP, spoken by `tokio-modbus`.
//!
//! A connection on which an answer is missing is closed: what comes late cannot meet the
//! next question then.

use std::net::SocketAddr;

use embassy_time::{Duration, Instant, with_timeout};
use firmware::{Bus, PollError, Request};
use tokio::net::TcpStream;
use tokio_modbus::client::{Context, Reader as _, Writer as _, tcp};
use tokio_modbus::slave::{Slave, SlaveContext as _};
use tokio_modbus::{Error, ExceptionCode};
use wire::modbus::Table;

use super::port::REST;

/// How long a meter or a gateway may take to let us in.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// What the network may take beyond the meter's own time.
const NETWORK_MS: u64 = 500;

/// A bus behind Modbus TCP.
pub(super) struct ModbusTcp {
    address: SocketAddr,
    context: Option<Context>,
    rest_until: Option<Instant>,
}

impl ModbusTcp {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, context: None, rest_until: None }
    }

    /// Takes the connection, or makes one.
    async fn connected(&mut self) -> Result<Context, PollError> {
        if let Some(context) = self.context.take() {
            return Ok(context);
        }
        if self.rest_until.is_some_and(|until| Instant::now() < until) {
            return Err(PollError::BusDown);
        }
        self.rest_until = Some(Instant::now() + REST);
        let connected = with_timeout(CONNECT_MAX, TcpStream::connect(self.address)).await;
        let Ok(Ok(stream)) = connected else { return Err(PollError::BusDown) };
        stream.set_nodelay(true).map_err(|_| PollError::BusDown)?;
        self.rest_until = None;
        Ok(tcp::attach(stream))
    }
}

async fn ask(
    context: &mut Context,
    table: Table,
    address: u16,
    count: u16,
) -> Result<Result<Vec<u16>, ExceptionCode>, Error> {
    let words = |bits: Vec<bool>| bits.into_iter().map(u16::from).collect();
    match table {
        Table::Holding => context.read_holding_registers(address, count).await,
        Table::Input => context.read_input_registers(address, count).await,
        Table::Coil => context.read_coils(address, count).await.map(|answer| answer.map(words)),
        Table::DiscreteInput => {
            let answer = context.read_discrete_inputs(address, count).await;
            answer.map(|answer| answer.map(words))
        }
        // Meters with numbers hang on lines; no Modbus TCP leads to them.
        Table::Dlt645 | Table::Cjt188 => Ok(Err(ExceptionCode::IllegalFunction)),
    }
}

fn refused(code: ExceptionCode) -> PollError {
    match u8::from(code) {
        // A gateway says for its meter that it does not answer.
        0x0A | 0x0B => PollError::Silent,
        code => PollError::Refused(code),
    }
}

impl ModbusTcp {
    /// Asks by a connection that is kept only if it answered.
    async fn answered<T>(
        &mut self,
        request: &Request,
        ask: impl AsyncFnOnce(&mut Context, u16) -> Result<Result<T, ExceptionCode>, Error>,
    ) -> Result<T, PollError> {
        let unit_id = u8::try_from(request.meter.number()).map_err(|_| PollError::WrongAnswer)?;
        let address = u16::try_from(request.address).map_err(|_| PollError::WrongAnswer)?;
        let mut context = self.connected().await?;
        context.set_slave(Slave(unit_id));
        let patience = u64::from(request.pace.answer_ms).saturating_add(NETWORK_MS);
        let patience = Duration::from_millis(patience);
        let outcome = match with_timeout(patience, ask(&mut context, address)).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(code))) => Err(refused(code)),
            Ok(Err(Error::Protocol(_))) => return Err(PollError::WrongAnswer),
            Ok(Err(Error::Transport(_))) => return Err(PollError::BusDown),
            Err(_) => return Err(PollError::Silent),
        };
        self.context = Some(context);
        outcome
    }
}

impl Bus for ModbusTcp {
    async fn read(&mut self, request: &Request, out: &mut [u16]) -> Result<(), PollError> {
        let count = u16::try_from(out.len()).map_err(|_| PollError::WrongAnswer)?;
        let words = self.answered(request, async |context, address| {
            ask(context, request.table, address, count).await
        });
        let words = words.await?;
        if words.len() != out.len() {
            return Err(PollError::WrongAnswer);
        }
        out.copy_from_slice(&words);
        Ok(())
    }

    async fn write_coil(&mut self, request: &Request, on: bool) -> Result<(), PollError> {
        let write =
            async |context: &mut Context, address| context.write_single_coil(address, on).await;
        self.answered(request, write).await
    }
}
