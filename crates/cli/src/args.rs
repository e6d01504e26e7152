//! The command line. The comments are the texts of `--help`.
#![expect(
    missing_docs,
    reason = "clap would show the comment of a struct as a text of its command"
)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Says why a token is or is not accepted, shows keys, makes keys and test tokens.
///
/// It judges by the code of the nginx module, reads files and standard input only, and never sends
/// anything anywhere.
#[derive(Debug, Parser)]
#[command(name = "nginx-auth", version, after_help = EXIT_STATUS)]
pub struct CommandLine {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 accepted or done, 1 refused or of no use, 2 wrong usage, \
                           3 cannot read or write";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say step by step why a token is or is not accepted
    Explain(Box<ExplainArgs>),
    /// Show what is in a key set, and what is wrong with each key
    Keys(KeysArgs),
    /// Make a JWK Set of a PEM key, a certificate or a secret
    Jwk(JwkArgs),
    /// Make keys and test tokens
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Print a token's header and claims, which nobody has verified
    Claims(ClaimsArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or that of a command
    Man {
        /// The command, such as "explain" or "token sign"
        command: Vec<String>,
    },
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct TokenArgs {
    /// Read the token from standard input, which is where it is by default, unless that is a
    /// terminal. With --config there is no default
    #[arg(long)]
    pub stdin: bool,
    /// Read the token from a file
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The token itself. Everybody on this machine can see it in the list of processes
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub token: Option<String>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Files with keys, as auth_jwt_key_file has them. With --config, keys that the configuration
    /// does not have in files
    #[arg(long, value_name = "FILE", required_unless_present = "config", num_args = 1..)]
    pub keys: Vec<PathBuf>,
    #[command(flatten)]
    pub token: TokenArgs,
    #[command(flatten)]
    pub location: LocationArgs,
    /// The kind of token, see auth_jwt_type
    #[arg(
        conflicts_with = "config",
        long = "type",
        value_enum,
        default_value_t,
        value_name = "TYPE"
    )]
    pub token_type: TypeArg,
    /// Whether the token is behind "Bearer" in Authorization, or the value of a variable (token=)
    #[arg(conflicts_with = "config", long, value_enum, default_value_t)]
    pub source: SourceArg,
    /// What iss has to be, as "issuer" in auth_jwt_issuer
    #[arg(conflicts_with = "config", long, value_name = "URL")]
    pub issuer: Option<String>,
    /// What aud has to hold one of; may be repeated
    #[arg(conflicts_with = "config", long, value_name = "NAME")]
    pub audience: Vec<String>,
    /// How far the clocks may be apart, see auth_jwt_leeway
    #[arg(conflicts_with = "config", long, value_name = "TIME", value_parser = crate::times::parse_duration, default_value = "0")]
    pub leeway: std::time::Duration,
    /// How long ago the token may have been issued, see auth_jwt_max_age
    #[arg(conflicts_with = "config", long, value_name = "TIME", value_parser = crate::times::parse_duration)]
    pub max_age: Option<std::time::Duration>,
    /// The algorithms that are allowed, with commas between; see auth_jwt_algorithms
    #[arg(
        conflicts_with = "config",
        long,
        value_name = "ALG",
        value_delimiter = ',',
        num_args = 1
    )]
    pub algorithms: Vec<String>,
    /// A rule as in auth_jwt_require_claim, in one argument: 'name operator value'; may be repeated
    #[arg(conflicts_with = "config", long, value_name = "RULE")]
    pub require_claim: Vec<String>,
    /// A rule as in auth_jwt_require_header; may be repeated
    #[arg(conflicts_with = "config", long, value_name = "RULE")]
    pub require_header: Vec<String>,
    /// A scope as in auth_jwt_require_scope; may be repeated
    #[arg(conflicts_with = "config", long, value_name = "SCOPE")]
    pub require_scope: Vec<String>,
    /// The value of a variable in a rule; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub variable: Vec<String>,
    /// Judge as of this time: seconds since 1970, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// Where a configuration demands something of a token.
#[derive(Debug, Args)]
pub struct LocationArgs {
    /// Judge as this nginx.conf says, for --location. Without a token, show what is in force there
    #[arg(long, value_name = "FILE", requires = "location")]
    pub config: Option<PathBuf>,
    /// The URI of the request, such as /api/orders
    #[arg(long, value_name = "URI", requires = "config")]
    pub location: Option<String>,
    /// The host that the request is for, and its port. By default the default server answers
    #[arg(long, value_name = "HOST[:PORT]", requires = "config")]
    pub server: Option<String>,
    /// The address or the port that the request comes to, where servers listen on several
    #[arg(long, value_name = "ADDRESS", requires = "config")]
    pub listen: Option<String>,
    /// The method of the request, for limit_except
    #[arg(
        long,
        value_name = "METHOD",
        requires = "config",
        default_value = "GET"
    )]
    pub method: String,
    /// nginx's prefix (nginx -p), to which state_path is relative
    #[arg(long, value_name = "FOLDER", requires = "config")]
    pub prefix: Option<PathBuf>,
}

/// The values of auth_jwt_type.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum TypeArg {
    /// A signed token
    #[default]
    Signed,
    /// An encrypted token
    Encrypted,
    /// An encrypted token with a signed one inside
    Nested,
}

/// Where a request has the token.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum SourceArg {
    /// Behind "Bearer" in the line Authorization
    #[default]
    Authorization,
    /// In a variable, such as that of a cookie
    Variable,
}

#[derive(Debug, Args)]
pub struct KeysArgs {
    /// A file with a key set; "-" is standard input
    pub file: PathBuf,
    /// What the keys are for, see auth_jwt_type
    #[arg(long = "type", value_enum, default_value_t, value_name = "TYPE")]
    pub token_type: TypeArg,
}

#[derive(Debug, Args)]
pub struct JwkArgs {
    /// A file with PEM keys, certificates or a secret; "-" is standard input
    pub file: PathBuf,
    /// Take all bytes of the file as a secret, but a line feed at its end
    #[arg(long)]
    pub secret: bool,
    /// The kid of the key. By default its thumbprint (RFC 7638); a secret has none
    #[arg(long)]
    pub kid: Option<String>,
    /// Give keys no kid, so that they are tried for tokens with any kid
    #[arg(long, conflicts_with = "kid")]
    pub no_kid: bool,
    /// The only algorithm that the key is for
    #[arg(long)]
    pub alg: Option<String>,
    /// What the key is for
    #[arg(long = "use", value_name = "USE", value_parser = ["sig", "enc"])]
    pub usage: Option<String>,
    /// Print the private members of a private key as well, which decryption needs
    #[arg(long)]
    pub private: bool,
    /// Write to this new file, which only its owner can read, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a key pair or a secret, in new files that only their owner can read
    Key(NewKeyArgs),
    /// Sign claims
    Sign(SignArgs),
    /// Encrypt claims, or a signed token
    Encrypt(EncryptArgs),
}

#[derive(Debug, Args)]
pub struct NewKeyArgs {
    /// The algorithm, such as RS256, ES256, EdDSA, HS256, RSA-OAEP, ECDH-ES or A256KW
    pub alg: String,
    /// The new file for the private key or secret
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The new file for a JWK Set with the public key
    #[arg(long, value_name = "FILE")]
    pub public: Option<PathBuf>,
    /// The kid of the key. By default its thumbprint (RFC 7638); a secret has none
    #[arg(long)]
    pub kid: Option<String>,
    /// Bits of an RSA modulus, or bytes of a secret; at most 16384
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=16384))]
    pub size: Option<u16>,
}

#[derive(Debug, Args)]
pub struct SignArgs {
    /// The file with the private key or secret
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The algorithm. By default the one that the key names
    #[arg(long)]
    pub alg: Option<String>,
    #[command(flatten)]
    pub claims: NewClaimsArgs,
}

#[derive(Debug, Args)]
pub struct NewClaimsArgs {
    /// A file with a JSON object of claims; "-" is standard input
    #[arg(long, value_name = "FILE")]
    pub claims: Option<PathBuf>,
    /// A claim. The value is JSON if it is JSON, otherwise text; may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    pub claim: Vec<String>,
    /// When the token expires, as time from now. Adds iat as well
    #[arg(long, value_name = "TIME", value_parser = crate::times::parse_duration)]
    pub expires_in: Option<std::time::Duration>,
    /// A JSON object with more header parameters. One that is null is left out
    #[arg(long, value_name = "JSON")]
    pub header: Option<String>,
    /// Make the token as of this time: seconds since 1970, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

#[derive(Debug, Args)]
pub struct EncryptArgs {
    /// The file with the key that the token is encrypted to; its public half is enough
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The algorithm. By default the one that the key names
    #[arg(long)]
    pub alg: Option<String>,
    /// The content encryption
    #[arg(long, default_value = "A256GCM")]
    pub enc: String,
    /// Encrypt the signed token on standard input instead of claims
    #[arg(long, conflicts_with_all = ["claims", "claim", "expires_in"])]
    pub nested: bool,
    #[command(flatten)]
    pub claims: NewClaimsArgs,
}

#[derive(Debug, Args)]
pub struct ClaimsArgs {
    #[command(flatten)]
    pub token: TokenArgs,
}
