//! `trunkline serve`: the daemon.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::driver::{Driver, DriverSettings};
use crate::kernel::netlink::NetlinkKernel;
use crate::model::network::NetworkDefaults;
use crate::server::listener::serve;
use crate::server::socket::{BoundSocket, refuse_if_taken};
use crate::server::socket_group::SocketGroup;
use crate::store::Store;

/// The daemon's flags. Each can be given in the environment instead; an empty variable counts as not given.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Log every call.
    #[arg(short, long, env = "TRUNKLINE_DEBUG", value_parser = clap::builder::FalseyValueParser::new())]
    pub debug: bool,
    /// The parent of networks that name none (-o host_iface); eth1.20 stands for VLAN 20 on eth1.
    #[arg(long, value_name = "IF", env = "TRUNKLINE_HOST_INTERFACE")]
    pub host_interface: Option<String>,
    /// The mode of networks that name none: bridge, private, vepa, passthru, l2, l3, l3s.
    #[arg(long, value_name = "MODE", env = "TRUNKLINE_MODE", default_value = "bridge")]
    pub mode: String,
    /// The MTU of networks that name none [default: the parent's].
    #[arg(long, value_name = "N", env = "TRUNKLINE_MTU")]
    pub mtu: Option<String>,
    /// The socket; its name, less .sock, is the name of the driver.
    #[arg(
        long,
        value_name = "PATH",
        env = "TRUNKLINE_SOCKET",
        default_value = "/run/docker/plugins/trunkline.sock"
    )]
    pub socket: PathBuf,
    /// A group whose members may use the socket beside root, by name or number [default: none].
    #[arg(long, value_name = "GROUP", env = "TRUNKLINE_SOCKET_GROUP")]
    pub socket_group: Option<String>,
    /// Where networks are remembered across reboots.
    #[arg(long, value_name = "DIR", env = "TRUNKLINE_STATE_DIR", default_value = "/var/lib/trunkline")]
    pub state_dir: PathBuf,
    /// Where endpoints are remembered until a reboot.
    #[arg(long, value_name = "DIR", env = "TRUNKLINE_RUN_DIR", default_value = "/run/trunkline")]
    pub run_dir: PathBuf,
    /// The group that marks links as trunkline's own; a second daemon on a host needs another.
    #[arg(
        long,
        value_name = "N",
        env = "TRUNKLINE_LINK_GROUP",
        default_value_t = 8021,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub link_group: u32,
    /// How the log is written.
    #[arg(long, value_name = "FORMAT", env = "TRUNKLINE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for a person.
    Text,
    /// A JSON object a line.
    Json,
}

/// A failed start: usage that is wrong, or something in the way.
#[derive(Debug)]
pub enum ServeError {
    /// A flag's value is not possible.
    Usage(String),
    /// The daemon could not start.
    Failed(String),
}

/// What was given; nothing when that is nothing.
fn given(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

fn usage(flag: &str, error: &dyn std::fmt::Display) -> ServeError {
    ServeError::Usage(format!("--{flag}: {error}"))
}

impl ServeArgs {
    fn defaults(&self) -> Result<NetworkDefaults, ServeError> {
        let host_interface = given(&self.host_interface).map(|name| name.parse()).transpose();
        let mode = given(&Some(self.mode.clone())).map(|mode| mode.parse()).transpose();
        let mtu = given(&self.mtu).map(|mtu| mtu.parse()).transpose();
        Ok(NetworkDefaults {
            host_interface: host_interface.map_err(|error| usage("host-interface", &error))?,
            mode: mode.map_err(|error| usage("mode", &error))?.unwrap_or_default(),
            mtu: mtu.map_err(|error| usage("mtu", &error))?,
        })
    }

    fn group(&self) -> Result<Option<SocketGroup>, ServeError> {
        let group = given(&self.socket_group).map(|group| group.parse()).transpose();
        group.map_err(|error| usage("socket-group", &error))
    }

    /// Runs the daemon until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// When it cannot start; the text says why.
    pub async fn run(&self) -> Result<(), ServeError> {
        let failed = |error: &dyn std::fmt::Display| ServeError::Failed(error.to_string());
        let defaults = self.defaults()?;
        let group = self.group()?;
        self.start_log();
        // Before anything slow, so that a signal at any moment is a clean stop.
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| failed(&error))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| failed(&error))?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let mut stop = std::pin::pin!(stop);
        refuse_if_taken(&self.socket).await.map_err(|error| failed(&error))?;
        let store = Store::open(&self.state_dir, &self.run_dir).map_err(|error| failed(&error))?;
        let kernel = NetlinkKernel::open().map_err(|error| failed(&error))?;
        let driver =
            Arc::new(Driver::new(kernel, store, DriverSettings { defaults, link_group: self.link_group }));
        tokio::select! {
            recovered = driver.recover() => {
                recovered.map_err(|error| failed(&error))?;
            }
            // What recovery has not come to, the next start does.
            () = &mut stop => return Ok(()),
        }
        let socket = BoundSocket::bind(&self.socket, group).await.map_err(|error| failed(&error))?;
        info!(socket = %self.socket.display(), version = env!("CARGO_PKG_VERSION"), "listening");
        let tending = Arc::clone(&driver);
        tokio::spawn(async move {
            tokio::join!(
                tending.tend(),
                tending.watch_parents(),
                tending.watch_interfaces(),
                tending.collect_endpoints()
            )
        });
        serve(socket, driver, stop).await;
        info!("stopped: containers keep their network");
        Ok(())
    }

    fn start_log(&self) {
        let level = if self.debug { tracing::Level::DEBUG } else { tracing::Level::INFO };
        let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        // A log that another part of the process has started already stays.
        let _ = match self.log_format {
            LogFormat::Text => log.with_ansi(is_terminal).with_target(false).try_init(),
            LogFormat::Json => log.json().with_target(false).try_init(),
        };
    }
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}
