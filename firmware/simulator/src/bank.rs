//! A bank of registers without a meter behind it, for load.
//!
//! In: listeners, the time. Out: Modbus TCP, where every unit id has every holding register,
//! and each holds what [`register`] says. There is nothing to look up or to work out, so that
//! a bench measures who asks and not who answers.

use std::io;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_modbus::server::{Service, tcp};
use tokio_modbus::{ExceptionCode, Response, SlaveRequest};
use wire::modbus::Table;

use crate::serve::{Now, registers_of, stopped};

/// Answers on all listeners until `shutdown` holds true or its sender is gone.
pub async fn serve(listeners: Vec<TcpListener>, now: Now, shutdown: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    for listener in listeners {
        let bank = Bank(Now::clone(&now));
        tasks.spawn(async move {
            let connect = |client: TcpStream, _address| {
                // Without it, answers wait for the delayed acknowledgement of the one before.
                let bank = client.set_nodelay(true).ok().map(|()| (bank.clone(), client));
                std::future::ready(Ok(bank))
            };
            let broken = |error: io::Error| tracing::debug!(%error, "frame is broken");
            if let Err(error) = tcp::Server::new(listener).serve(&connect, broken).await {
                tracing::warn!(%error, "cannot accept a connection");
            }
        });
    }
    stopped(shutdown).await;
    tasks.shutdown().await;
}

/// Returns what a holding register holds at an instant: an even one its unit id and address, an
/// odd one the second.
#[must_use]
pub const fn register(unit_id: u8, address: u16, instant: i64) -> u16 {
    let [.., high, low] = instant.to_be_bytes();
    if address.is_multiple_of(2) {
        u16::from_be_bytes([unit_id, address.to_be_bytes()[1]])
    } else {
        u16::from_be_bytes([high, low])
    }
}

/// The registers of one address.
#[derive(Clone)]
struct Bank(Now);

impl Service for Bank {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = std::future::Ready<Result<Self::Response, Self::Exception>>;

    fn call(&self, asked: Self::Request) -> Self::Future {
        std::future::ready(match registers_of(&asked.request) {
            Some((Table::Holding, address, count)) if (1..=125).contains(&count) => {
                let now = (self.0)();
                let words = (0..count)
                    .map(|offset| register(asked.slave, address.wrapping_add(offset), now));
                Ok(Some(Response::ReadHoldingRegisters(words.collect())))
            }
            Some((Table::Holding, ..)) => Err(ExceptionCode::IllegalDataValue),
            Some(_) | None => Err(ExceptionCode::IllegalFunction),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use tokio_modbus::client::{Reader as _, tcp};
    use tokio_modbus::slave::Slave;

    #[tokio::test]
    async fn every_unit_id_has_every_register() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_running, shutdown) = watch::channel(false);
        tokio::spawn(serve(vec![listener], Arc::new(|| 0x1_0203), shutdown));

        let mut context = tcp::connect_slave(address, Slave(7)).await.unwrap();
        let words = context.read_holding_registers(0x1FE, 4).await.unwrap();

        assert_eq!(words, Ok(vec![0x7FE, 0x203, 0x700, 0x203]));
        assert_eq!(
            context.read_holding_registers(0, 126).await.unwrap(),
            Err(ExceptionCode::IllegalDataValue)
        );
    }
}
