//! What every floor client needs: a tokio socket and two buffers that are used again.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
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
    pub(crate) async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, output: Vec::new(), inbox: Inbox::new() })
    }

    pub(crate) async fn write(&mut self) -> Result<()> {
        self.stream.write_all(&self.output).await?;
        self.output.clear();
        Ok(())
    }

    /// Waits until a whole frame is here.
    pub(crate) async fn wait(&mut self) -> Result<()> {
        while self.inbox.frame().is_none() {
            let read = self.stream.read(self.inbox.space()).await?;
            self.inbox.filled(read)?;
        }
        Ok(())
    }
}
