using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "receiver", worker = (
    modules = [
      (name = "worker.mjs", esModule = embed "worker.mjs"),
      (name = "webhook.mjs", esModule = embed "webhook.mjs"),
    ],
    compatibilityDate = "2026-01-01",
    bindings = [(name = "WEBHOOK_SECRET", fromEnvironment = "WEBHOOK_SECRET")],
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "receiver")],
);
