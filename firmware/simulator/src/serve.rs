//! The buses, answered by tokio-modbus's servers, and by `national` where meters have numbers.
//!
//! In: a campus, listeners, the time. Out: Modbus answers, as the meters would give them.
//!
//! - An unknown unit id gets no answer on RTU over TCP and exception 0x0B on Modbus TCP, as
//!   from a converter whose meter is away.
//! - All registers of one answer are of the same second.
//! - Meters are read only: writing is an illegal function. Only coils of a relay module are
//!   written, one at a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_modbus::server::{Service, rtu_over_tcp, tcp};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use wire::Name;
use wire::modbus::Table;

use crate::campus::{Campus, Refusal};
use crate::line;
use crate::national::Asked;
use crate::relay::Relay;
use crate::script::{Faults, ScriptedEvent, Set};

/// The time now, in Unix seconds; a demo lets it run faster.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How frames travel on a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusKind {
    /// RTU frames with their CRC on a TCP socket, as serial servers carry them.
    RtuOverTcp,
    /// Modbus TCP.
    ModbusTcp,
}

/// A bus and where it is answered.
#[derive(Debug)]
pub struct BusAddress {
    /// The bus; its meters are those that name it.
    pub bus: Name,
    /// How frames travel.
    pub kind: BusKind,
    /// A bound listener, so that the caller knows the port.
    pub listener: TcpListener,
}

/// Answers on all buses until `shutdown` holds true or its sender is gone.
pub async fn serve(
    campus: Arc<Campus>,
    buses: Vec<BusAddress>,
    now: Now,
    shutdown: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    for address in buses {
        let meters = Meters {
            campus: Arc::clone(&campus),
            bus: address.bus,
            kind: address.kind,
            now: Arc::clone(&now),
        };
        tasks.spawn(answer(address.listener, meters));
    }
    stopped(shutdown).await;
    tasks.shutdown().await;
}

/// Waits until `shutdown` holds true or its sender is gone.
pub(crate) async fn stopped(mut shutdown: watch::Receiver<bool>) {
    // An error means that nobody is left who could ask for more.
    if shutdown.wait_for(|&stop| stop).await.is_err() {
        tracing::debug!("the owner of the simulator is gone");
    }
}

async fn answer(listener: TcpListener, meters: Meters) {
    let connect = |client: TcpStream, _address| {
        let meters = meters.clone();
        async move {
            // Without it, answers wait for the delayed acknowledgement of the one before.
            if let Err(error) = client.set_nodelay(true) {
                tracing::debug!(%error, "client has left at once");
            }
            let (pipe, server_end) = tokio::io::duplex(line::PIPE_BYTES);
            let (kind, asked) = (meters.kind, meters.clone());
            tokio::spawn(line::carry(client, pipe, kind, asked));
            Ok(Some((meters, server_end)))
        }
    };
    let bus = meters.bus;
    let broken = move |error: io::Error| tracing::debug!(%bus, %error, "frame is broken");
    let (rtu, plain) = match meters.kind {
        BusKind::RtuOverTcp => (Some(rtu_over_tcp::Server::new(listener)), None),
        BusKind::ModbusTcp => (None, Some(tcp::Server::new(listener))),
    };
    loop {
        let ended = match (&rtu, &plain) {
            (Some(server), _) => server.serve(&connect, broken).await,
            (None, Some(server)) => server.serve(&connect, broken).await,
            (None, None) => return,
        };
        // Only a failed accept ends it: too many open files, most likely. They close.
        if let Err(error) = ended {
            tracing::warn!(%bus, %error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The meters of one bus, as tokio-modbus asks them.
#[derive(Clone)]
struct Meters {
    campus: Arc<Campus>,
    bus: Name,
    kind: BusKind,
    now: Now,
}

impl line::Meters for Meters {
    fn faults(&self, unit_id: u8) -> Faults {
        let place = self.campus.on_bus(&self.bus, unit_id);
        place.map_or_else(Faults::default, |place| self.campus.faults_at(place, (self.now)()))
    }

    fn numbered(&self, asked: &Asked) -> Option<(Vec<u8>, Faults)> {
        self.campus.numbered(&self.bus, asked, (self.now)())
    }
}

impl Meters {
    fn ask(&self, asked: &SlaveRequest<'_>) -> Result<Option<Response>, ExceptionCode> {
        if let Some(relay) = self.campus.relay_on(&self.bus, asked.slave) {
            return self.ask_relay(relay, &asked.request).map(Some);
        }
        let Some(place) = self.campus.on_bus(&self.bus, asked.slave) else {
            return match self.kind {
                BusKind::RtuOverTcp => Ok(None),
                BusKind::ModbusTcp => Err(ExceptionCode::GatewayTargetDevice),
            };
        };
        let read = |table, address, count| {
            let registers = self.campus.registers_at(place, table, address, count, (self.now)());
            registers.map_err(|refusal| match refusal {
                Refusal::Function => ExceptionCode::IllegalFunction,
                Refusal::Address => ExceptionCode::IllegalDataAddress,
                Refusal::Count => ExceptionCode::IllegalDataValue,
            })
        };
        let Some((table, address, count)) = registers_of(&asked.request) else {
            return Err(ExceptionCode::IllegalFunction);
        };
        let words = read(table, address, count)?;
        Ok(Some(if table == Table::Input {
            Response::ReadInputRegisters(words)
        } else {
            Response::ReadHoldingRegisters(words)
        }))
    }
}

/// Returns which registers a request asks for: table, first and how many; `None` if it asks for
/// anything else.
pub(crate) fn registers_of(asked: &Request<'_>) -> Option<(Table, u16, u16)> {
    match *asked {
        Request::ReadHoldingRegisters(address, count) => Some((Table::Holding, address, count)),
        Request::ReadInputRegisters(address, count) => Some((Table::Input, address, count)),
        Request::ReadCoils(..)
        | Request::ReadDiscreteInputs(..)
        | Request::WriteSingleCoil(..)
        | Request::WriteMultipleCoils(..)
        | Request::WriteSingleRegister(..)
        | Request::WriteMultipleRegisters(..)
        | Request::ReportServerId
        | Request::MaskWriteRegister(..)
        | Request::ReadWriteMultipleRegisters(..)
        | Request::ReadDeviceIdentification(..)
        | Request::Custom(..) => None,
    }
}

impl Meters {
    fn ask_relay(&self, relay: &Relay, asked: &Request<'_>) -> Result<Response, ExceptionCode> {
        match *asked {
            Request::ReadCoils(address, count) => {
                let coils = relay.read(address, count).ok_or(ExceptionCode::IllegalDataAddress)?;
                Ok(Response::ReadCoils(coils))
            }
            Request::WriteSingleCoil(address, on) => {
                let meter = relay.write(address, on).ok_or(ExceptionCode::IllegalDataAddress)?;
                if !on {
                    let set = Set::Lights { on: false, watts: 0 };
                    let dark = self.campus.set(ScriptedEvent { at: (self.now)(), meter, set });
                    dark.map_err(|_| ExceptionCode::ServerDeviceFailure)?;
                }
                tracing::info!(%meter, on, "coil written");
                Ok(Response::WriteSingleCoil(address, on))
            }
            Request::ReadHoldingRegisters(..)
            | Request::ReadInputRegisters(..)
            | Request::ReadDiscreteInputs(..)
            | Request::WriteMultipleCoils(..)
            | Request::WriteSingleRegister(..)
            | Request::WriteMultipleRegisters(..)
            | Request::ReportServerId
            | Request::MaskWriteRegister(..)
            | Request::ReadWriteMultipleRegisters(..)
            | Request::ReadDeviceIdentification(..)
            | Request::Custom(..) => Err(ExceptionCode::IllegalFunction),
        }
    }
}

impl Service for Meters {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = std::future::Ready<Result<Self::Response, Self::Exception>>;

    fn call(&self, asked: Self::Request) -> Self::Future {
        std::future::ready(self.ask(&asked))
    }
}

#[cfg(test)]
mod tests;
