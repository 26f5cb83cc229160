// HashiCorp Vault's server with only what the contract tests of secret-sync use. The build tag `minimal` leaves out the auth
// method kubernetes, so it is added here.
//
// Vault 1.15 and newer have the licence BUSL-1.1: this is a test tool, built on demand, and part of no image.
package main

import (
	"os"

	"github.com/hashicorp/cli"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/plugin"
	"github.com/hashicorp/vault/command"
	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
)

func main() {
	server := &command.ServerCommand{
		BaseCommand:        &command.BaseCommand{UI: &cli.BasicUi{Writer: os.Stdout, ErrorWriter: os.Stderr}},
		CredentialBackends: map[string]logical.Factory{"kubernetes": kubernetes.Factory, "plugin": plugin.Factory},
		// Dev mode mounts kv before the catalog of plugins is there.
		LogicalBackends:  map[string]logical.Factory{"kv": kv.Factory, "plugin": plugin.Factory},
		PhysicalBackends: map[string]physical.Factory{"inmem": inmem.NewInmem, "raft": raft.NewRaftBackend},
		ShutdownCh:       command.MakeShutdownCh(),
		SighupCh:         command.MakeSighupCh(),
		SigUSR2Ch:        command.MakeSigUSR2Ch(),
	}
	if len(os.Args) < 2 || os.Args[1] != "server" {
		os.Stderr.WriteString("usage: vault server …\n")
		os.Exit(2)
	}
	os.Exit(server.Run(os.Args[2:]))
}
