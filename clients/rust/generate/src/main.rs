//! `generate PROTOS OUT SERVERS`: the client's stubs into OUT, and servers, for tests, into SERVERS.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

const MODULES: &str = "mod.rs";

fn main() -> Result<(), Box<dyn Error>> {
    let [protos, out, servers] = env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "PROTOS OUT SERVERS")?;
    let folder = Path::new(&protos).join("penchant/v1");
    let mut files = fs::read_dir(folder)?.map(|entry| entry.map(|one| one.path())).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    let described = protox::compile(&files, [&protos])?;
    tonic_prost_build::configure()
        .build_server(false)
        .include_file(MODULES)
        .out_dir(out)
        .compile_fds(described.clone())?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".penchant.v1", "::penchant::pb::penchant::v1")
        .extern_path(".google.rpc", "::penchant::pb::google::rpc")
        .out_dir(servers)
        .compile_fds(described)?;
    Ok(())
}
