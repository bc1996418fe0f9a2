//! The certificate by which messages are signed.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::time::ASN1Time;

/// An RSA key, and how long its certificate is good.
pub(super) struct Signer {
    key: Vec<u8>,
    from: ASN1Time,
    until: ASN1Time,
}

impl Signer {
    /// From a certificate in PEM.
    pub(super) fn of(pem: &[u8]) -> Result<Self, String> {
        let no_certificate = |error: String| format!("its certificate is none: {error}");
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem)
            .map_err(|error| no_certificate(error.to_string()))?;
        let certificate = pem
            .parse_x509()
            .map_err(|error| no_certificate(error.to_string()))?;
        let validity = certificate.validity();
        Ok(Self {
            key: certificate.public_key().subject_public_key.data.to_vec(),
            from: validity.not_before,
            until: validity.not_after,
        })
    }

    /// Whether it has signed a text. Version 1 is SHA-1, which is what SNS does unless a topic is
    /// told otherwise.
    pub(super) fn check(&self, version: &str, text: &str, signature: &str) -> Result<(), String> {
        let now = ASN1Time::now();
        if now < self.from || now > self.until {
            return Err("its certificate is not valid now".to_owned());
        }
        let algorithm = match version {
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            other => {
                return Err(format!(
                    "its SignatureVersion is `{}`; known are 1 and 2",
                    other.escape_debug()
                ));
            }
        };
        let signature = STANDARD
            .decode(signature)
            .map_err(|error| format!("its Signature is no base64: {error}"))?;
        UnparsedPublicKey::new(algorithm, &self.key)
            .verify(text.as_bytes(), &signature)
            .map_err(|_| "its signature is wrong: SNS has not signed this".to_owned())
    }
}
