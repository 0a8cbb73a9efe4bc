package webapi

import (
	"slices"

	"github.com/vigil-health/vigil/internal/engine/access"
)

// route is one call of the contract. Without roles it is open to everybody, which only sign-in is.
type route struct {
	pattern string
	roles   []access.Role
	handle  handler
}

// routes is the contract of docs/reference/webapi.md, in its order.
func (a *API) routes() []route {
	open := []access.Role(nil)
	clinical := []access.Role{access.Nurse, access.Physician, access.Admin}
	staff := append([]access.Role{access.Engineer}, clinical...)
	patient, admin := []access.Role{access.Patient}, []access.Role{access.Admin}
	everyone := append([]access.Role{access.Patient}, staff...)
	all := []route{
		{"GET /api/session", open, a.getSession},
		{"POST /api/session", open, a.signIn},
		{"POST /api/session/visit", open, a.visit},
		{"DELETE /api/session", open, a.signOut},
		{"POST /api/setup", open, a.setup},

		{"GET /api/metrics", everyone, a.metrics},
		{"GET /api/units", staff, a.units},
		{"GET /api/ward", staff, a.ward},
		{"POST /api/beds/{id}/admit", clinical, a.admit},
		{"POST /api/beds/{id}/discharge", clinical, a.discharge},
		{"POST /api/beds/{id}/state", clinical, a.bedState},

		{"GET /api/patients", clinical, a.patients},
		{"GET /api/patients/{id}", clinical, a.patient},
		{"GET /api/patients/{id}/numbers", clinical, a.numbers},
		{"GET /api/patients/{id}/trend", clinical, a.trend},
		{"GET /api/patients/{id}/waveform", clinical, a.waveform},
		{"GET /api/patients/{id}/news2", clinical, a.news2},
		{"GET /api/patients/{id}/alarms", clinical, a.patientAlarms},
		{"GET /api/patients/{id}/limits", clinical, a.limits},
		{"PUT /api/patients/{id}/limits", clinical, a.setLimits},
		{"GET /api/patients/{id}/limits/estimate", clinical, a.estimate},
		{"GET /api/patients/{id}/thread", clinical, a.thread},
		{"POST /api/patients/{id}/thread", clinical, a.postThread},
		{"GET /api/patients/{id}/steps", clinical, a.nextSteps},
		{"POST /api/patients/{id}/steps/{step}", clinical, a.tickStep},
		{"GET /api/patients/{id}/devices", clinical, a.patientDevices},
		{"GET /api/patients/{id}/record", clinical, a.patientRecord},

		{"GET /api/attention", staff, a.attention},
		{"GET /api/alarms", staff, a.alarms},
		{"GET /api/alarms/{id}", staff, a.alarm},
		{"POST /api/calls", everyone, a.postCall},

		{"POST /api/consults", clinical, a.openConsult},
		{"GET /api/consults", everyone, a.consults},
		{"GET /api/consults/{id}", everyone, a.consult},
		{"POST /api/consults/{id}/messages", everyone, a.sayConsult},
		{"POST /api/consults/{id}/join", everyone, a.joinConsult},
		{"POST /api/consults/{id}/leave", everyone, a.leaveConsult},
		{"GET /api/consults/{id}/ice", everyone, a.ice},
		{"POST /api/consults/{id}/close", clinical, a.closeConsult},

		{"GET /api/portal", patient, a.portal},
		{"GET /api/portal/readings", patient, a.portalReadings},
		{"GET /api/portal/messages", patient, a.portalMessages},
		{"POST /api/portal/messages", patient, a.postPortalMessage},
		{"POST /api/portal/medicines/{id}/taken", patient, a.portalTaken},
		{"GET /api/portal/family", patient, a.portalFamily},

		{"GET /api/devices", staff, a.devices},
		{"GET /api/devices/{id}", staff, a.device},
		{"POST /api/devices", staff, a.registerDevice},
		{"POST /api/devices/{id}/token", staff, a.deviceToken},
		{"POST /api/devices/{id}/bind", staff, a.bind},
		{"POST /api/devices/{id}/unbind", staff, a.unbind},
		{"GET /api/devices/{id}/messages", staff, a.deviceMessages},
		{"GET /api/profiles", staff, a.profiles},
		{"GET /api/quarantine", staff, a.quarantine},
		{"POST /api/quarantine/{id}/release", staff, a.release},
		{"POST /api/quarantine/release", staff, a.releaseAll},
		{"DELETE /api/quarantine/{id}", staff, a.discard},

		{"GET /api/status", staff, a.status},
	}
	all = slices.Concat(all, a.deskRoutes(staff, clinical), a.ruleRoutes(staff), a.modelRoutes(staff, clinical), a.reportRoutes(staff, clinical))
	all = append(all, a.systemRoutes(staff, admin)...)
	return append(all, a.keepRoutes(admin)...)
}

// systemRoutes are about other systems: servers that we speak to and programs that speak to us.
func (a *API) systemRoutes(staff, admin []access.Role) []route {
	upkeep := []access.Role{access.Engineer, access.Admin}
	return []route{
		{"GET /api/peers", staff, a.peers},
		{"GET /api/peers/{name}/queue", upkeep, a.peerQueue},
		{"POST /api/peers/{name}/retry", upkeep, a.retryPeer},
		{"GET /api/tokens", admin, a.tokens},
		{"POST /api/tokens", admin, a.createToken},
		{"DELETE /api/tokens/{id}", admin, a.revokeToken},
		{"GET /api/clients", admin, a.clients},
		{"POST /api/clients", admin, a.registerClient},
		{"DELETE /api/clients/{id}", admin, a.removeClient},
	}
}

func (a *API) keepRoutes(admin []access.Role) []route {
	return []route{
		{"GET /api/telemetry/retention", admin, a.retention},
		{"PUT /api/telemetry/retention", admin, a.setRetention},
		{"GET /api/telemetry/holds", admin, a.holds},
		{"PUT /api/telemetry/holds/{type}/{id}", admin, a.setHold},
		{"DELETE /api/telemetry/holds/{type}/{id}", admin, a.liftHold},
	}
}

// deskRoutes are what staff plan and decide about alarms beside each single one.
func (a *API) deskRoutes(staff, clinical []access.Role) []route {
	return []route{
		{"POST /api/alarms/{id}/{action}", staff, a.act},
		{"GET /api/alarms/{id}/pages", staff, a.pages},
		{"POST /api/alarms/acknowledge", staff, a.acknowledgeAll},
		{"GET /api/alarms-off", staff, a.offs},
		{"GET /api/alarms-off/history", staff, a.pastOffs},
		{"POST /api/alarms-off", staff, a.turnOff},
		{"DELETE /api/alarms-off/{id}", staff, a.turnOn},

		{"GET /api/notify/settings", staff, a.notifySettings},
		{"PUT /api/notify/settings", staff, a.setNotifySettings},
		{"POST /api/notify/test", staff, a.testChannel},
		{"GET /api/notify/test", staff, a.testReceipts},
		{"GET /api/notify/people", []access.Role{access.Admin}, a.notifyPeople},
		{"GET /api/notify/dead", staff, a.deadLetters},
		{"POST /api/notify/retry", staff, a.retryLetter},
		{"POST /api/notify/receipt", staff, a.pushReceipt},

		{"GET /api/rota", staff, a.rota},
		{"POST /api/rota/shifts", clinical, a.setShift},
		{"PUT /api/rota/shifts/{id}", clinical, a.setShift},
		{"POST /api/rota/substitutes", clinical, a.setSubstitute},
		{"DELETE /api/rota/{id}", clinical, a.dropDuty},
		{"GET /api/rota/handovers", staff, a.handovers},
		{"POST /api/rota/handovers", clinical, a.offerHandover},
		{"POST /api/rota/handovers/{id}/{answer}", clinical, a.answerHandover},
	}
}
