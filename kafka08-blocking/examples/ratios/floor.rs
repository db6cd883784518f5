//! What every floor client needs: a blocking socket and two buffers that are used again.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::{inbox::Inbox, measure::Result};

pub(crate) struct Floor {
    pub(crate) stream: TcpStream,
    /// What is to be written next.
    pub(crate) output: Vec<u8>,
    pub(crate) inbox: Inbox,
}

impl Floor {
    pub(crate) fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, output: Vec::new(), inbox: Inbox::new() })
    }

    pub(crate) fn write(&mut self) -> Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// Waits until a whole frame is here.
    pub(crate) fn wait(&mut self) -> Result<()> {
        while self.inbox.frame().is_none() {
            let read = self.stream.read(self.inbox.space())?;
            self.inbox.filled(read)?;
        }
        Ok(())
    }
}
