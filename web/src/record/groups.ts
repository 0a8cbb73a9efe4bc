// The reading order of a record: who this is, why here, what is wrong, what is given, what was measured, what was written,
// and all else that R4's patient compartment can hold.

export type GroupKey = 'identity' | 'encounters' | 'problems' | 'medications' | 'results' | 'readings' | 'documents' | 'rest'

export interface Group { key: GroupKey; types: string[]; path: (patient: string) => string }

const compartment = (types: string[]) => (patient: string): string => `/Patient/${encodeURIComponent(patient)}/*?_type=${types.join(',')}`

const several = (key: GroupKey, ...types: string[]): Group => ({ key, types, path: compartment(types) })

// Measurements of devices come by the thousand and would bury what people found, so each has its own group.
const observations = (key: GroupKey, device: boolean): Group =>
  ({ key, types: ['Observation'], path: (patient) => `/Patient/${encodeURIComponent(patient)}/Observation?device:missing=${!device}&_sort=-date&_total=accurate` })

export const groups: Group[] = [
  several('identity', 'Patient', 'RelatedPerson', 'Person', 'Coverage', 'Consent'),
  several('encounters', 'Encounter', 'EpisodeOfCare', 'Appointment', 'AppointmentResponse', 'CareTeam'),
  several('problems', 'AllergyIntolerance', 'Condition', 'Flag', 'DetectedIssue', 'ClinicalImpression', 'RiskAssessment', 'AdverseEvent', 'FamilyMemberHistory'),
  several('medications', 'MedicationRequest', 'MedicationAdministration', 'MedicationStatement', 'MedicationDispense', 'Immunization', 'ImmunizationEvaluation', 'ImmunizationRecommendation'),
  observations('results', false),
  observations('readings', true),
  several('documents', 'DiagnosticReport', 'Composition', 'DocumentReference', 'DocumentManifest', 'Communication', 'QuestionnaireResponse', 'ImagingStudy', 'Media'),
  several('rest', 'Procedure', 'CarePlan', 'Goal', 'ServiceRequest', 'CommunicationRequest', 'DeviceRequest', 'DeviceUseStatement', 'RequestGroup', 'NutritionOrder', 'VisionPrescription',
    'Specimen', 'MolecularSequence', 'BodyStructure', 'SupplyDelivery', 'SupplyRequest', 'Account', 'ChargeItem', 'Claim', 'ClaimResponse', 'CoverageEligibilityRequest',
    'CoverageEligibilityResponse', 'EnrollmentRequest', 'ExplanationOfBenefit', 'Invoice', 'Basic', 'Group', 'List', 'MeasureReport', 'Provenance', 'ResearchSubject', 'Schedule'),
]

// isReading tells a value of the telemetry store, shown as an Observation: it never changes and has no versions.
export const isReading = (ref: string): boolean => ref.startsWith('Observation/t-')
