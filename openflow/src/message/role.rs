//! ROLE: which controller may change the switch (section 7.3.9).

use crate::error::Structure;
use crate::error_code::ErrorCode;
use crate::macros::{wire_enum, wire_struct};

wire_struct! {
    /// Asks for a role, or says which one the controller has.
    #[doc(alias = "ofp_role_request")]
    pub struct RoleMsg in Structure::request("ofp_role_request") => {
        /// The role.
        pub role: ControllerRole, pad 4;
        /// The number of the election: a switch refuses one that is older than the newest it saw.
        pub generation_id: u64;
    }
}

wire_enum! {
    /// What a controller may do.
    #[doc(alias = "ofp_controller_role")]
    pub enum ControllerRole: u32, closed ErrorCode::ROLE_REQUEST_FAILED_BAD_ROLE => {
        /// No change: only tell.
        #[doc(alias = "OFPCR_ROLE_NOCHANGE")]
        NoChange = 0,
        /// Everything, beside others.
        #[doc(alias = "OFPCR_ROLE_EQUAL")]
        Equal = 1,
        /// Everything, and alone.
        #[doc(alias = "OFPCR_ROLE_MASTER")]
        Master = 2,
        /// Only look.
        #[doc(alias = "OFPCR_ROLE_SLAVE")]
        Slave = 3,
    }
}
