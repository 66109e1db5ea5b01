// Check that a webhook comes from Ozvena. Answer 400 when it does not.
import { createHmac, timingSafeEqual } from "node:crypto";

// `secret` begins with whsec_; `headers` as Node has them; `body` is the raw Buffer.
export function isGenuine(secret, headers, body) {
  const id = headers["webhook-id"];
  const sentAt = headers["webhook-timestamp"] ?? "";
  const given = headers["webhook-signature"];
  if (!id || !given || !/^\d+$/.test(sentAt)) return false;
  if (Math.abs(Date.now() / 1000 - Number(sentAt)) > 300) return false; // seconds
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const wanted = createHmac("sha256", key).update(`${id}.${sentAt}.`).update(body).digest();
  // While a secret is being changed, there are two signatures.
  return given.split(" ").some((one) => {
    const [version, text] = one.split(",");
    const signature = Buffer.from(text ?? "", "base64");
    return version === "v1" && signature.length === wanted.length && timingSafeEqual(signature, wanted);
  });
}
