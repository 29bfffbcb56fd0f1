//! Clients stay connected and do nothing; then a proxy closes their connections.

use std::fs;
use std::ops::Range;

use crate::rulings::{Fact, What};
use comeback_model::ids::Node;
use comeback_model::operation::Step;
use comeback_model::plan::Arm;

use super::context::{ClaimContext, Deployment, Server, Trouble};
use super::grow::weigh;
use super::line::Line;
use super::packaged::Packaged;
use super::user::{User, Users};
use comeback_engine::EngineError;
use comeback_supervise::ports;

/// What nginx is started with, in its data folder.
const CONFIGURATION: &str = "nginx.conf";
/// The proxy in front, which has little patience. Its folder stands in for every compiled-in path.
pub const PROXY: Packaged = Packaged {
    name: "nginx",
    about: "nginx, which closes connections that are idle for a second",
    command: &[
        "nginx",
        "-p",
        "{data}",
        "-e",
        "stderr",
        "-c",
        "{data}/nginx.conf",
    ],
    ready: None,
    needs_root: false,
};
/// Clients that come and go before the first look: buffers are as large as they get.
const WARM_UP: u32 = 50;

pub(crate) async fn run(context: &ClaimContext, arm: &Arm) -> Result<(), Trouble> {
    let mut deployment = context.deployment(arm).await?;
    let server = deployment.open().await?;
    weigh(context, arm, &server).await?;
    stay(context, arm, &deployment, &server).await?;
    return_after_idle(context, arm, &mut deployment, &server).await?;
    deployment.close(server).await
}

/// More and more clients log in and stay connected.
async fn stay(
    context: &ClaimContext,
    arm: &Arm,
    deployment: &Deployment<'_>,
    server: &Server,
) -> Result<(), Trouble> {
    let each = context.amount.each;
    drop(enter(server.port, 0..WARM_UP).await?);
    let mut clients = Vec::new();
    for round in 0..=context.amount.rounds {
        if round > 0 {
            clients.push(enter(server.port, each * round..each * (round + 1)).await?);
        }
        let memory = deployment.memory(server)? as f64;
        let at = u64::from(each * round);
        context.tell(&Fact::value(&arm.name, What::IdleMemory, at, memory))?;
    }
    Ok(())
}

/// Clients of nginx log in, wait until it closes their connections, and go on over others.
async fn return_after_idle(
    context: &ClaimContext,
    arm: &Arm,
    deployment: &mut Deployment<'_>,
    server: &Server,
) -> Result<(), Trouble> {
    let Some(nginx) = &arm.balancer else {
        return Err(Trouble::Server(
            "there is no proxy in front of the server".to_owned(),
        ));
    };
    let port = ports::free_port().map_err(EngineError::Port)?;
    let data = deployment.data(Node::Balancer)?;
    fs::write(data.join(CONFIGURATION), configuration(port, server.port))?;
    let proxy = deployment.put_before(nginx, port).await?;
    let (mut clients, mut before, mut after) = (Vec::new(), 0, 0);
    for number in 0..context.amount.each {
        // At once after its login: all others' may take longer than the proxy's patience.
        let mut entered = enter(port, number..number + 1).await?;
        for (user, line) in &mut entered {
            before += u64::from(user.take(Step::Act, line).await?);
        }
        clients.append(&mut entered);
    }
    for (user, line) in &mut clients {
        line.closed().await?;
        *line = Line::open(port).await?;
        after += u64::from(user.take(Step::Act, line).await?);
    }
    let asked = clients.len() as u64;
    context.tell(&Fact::share(&arm.name, What::Control, 0, (before, asked)))?;
    context.tell(&Fact::share(&arm.name, What::AfterIdle, 0, (after, asked)))?;
    proxy.stop().await?;
    Ok(())
}

/// Clients that are all logged in: where one is not, nothing is to be learnt from its waiting.
async fn enter(port: u16, numbers: Range<u32>) -> Result<Vec<(User, Line)>, Trouble> {
    let (clients, right) = Users::of(port)?.log_in(numbers).await?;
    match right == clients.len() as u64 {
        true => Ok(clients),
        false => Err(Trouble::Server(
            "the server did not answer a login with a session".to_owned(),
        )),
    }
}

fn configuration(port: u16, server: u16) -> String {
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_timeout 1s;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{server};
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
"
    )
}
